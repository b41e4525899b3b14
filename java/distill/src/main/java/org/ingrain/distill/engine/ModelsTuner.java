package org.ingrain.distill.engine;

import java.nio.file.Path;
import java.util.SortedMap;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.Progress;
import org.ingrain.engine.Engine;

/**
 * A {@link Tuner} for runs with several whole models.
 *
 * @param text       engine of the base model without loaded weights; it only counts tokens
 * @param provenance see {@link EngineTuner}
 */
public record ModelsTuner(ModelEngines engines, Engine text, TunerConfig config, SortedMap<String, String> provenance)
        implements Tuner {
    @Override
    public Tuned tune(Job job, Progress progress) {
        Path base = text.options().model();
        if (!config.full()) {
            return tuner(engines.engine(base)).tune(job, progress);
        }
        engines.close();   // an earlier training may have changed the weights of the open engine
        Tuned tuned = tuner(engines.engine(job.from() == null ? base : job.from())).tune(job, progress);
        engines.close();
        return tuned;
    }

    @Override
    public int tokens(TrainingRow row) {
        return tuner(text).tokens(row);
    }

    @Override
    public int tokens(String words) {
        return tuner(text).tokens(words);
    }

    @Override
    public int longest() {
        return tuner(text).longest();
    }

    private EngineTuner tuner(Engine engine) {
        return new EngineTuner(engine, config, provenance);
    }
}
