package org.ingrain.distill.engine;

import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.function.Function;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;

/** An {@link Answerer} for runs with several whole models. All requests of one call must have the same weights. */
public final class ModelsAnswerer implements Answerer {
    private final ModelEngines engines;
    private final Path base;

    /** @param base folder of the base model */
    public ModelsAnswerer(ModelEngines engines, Path base) {
        this.engines = engines;
        this.base = base;
    }

    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        if (first.getFirst().weights() instanceof ModelState.Model(Path folder)) {
            TextRequest.answer(engines.answerer(folder), new ModelState.Base(), first, done);
        } else {
            engines.answerer(base).answer(first, done);
        }
    }

    @Override
    public SortedMap<String, Long> fallbacks() {
        return engines.fallbacks();
    }

    @Override
    public SortedSet<String> generators() {
        return engines.generators();
    }

    @Override
    public void close() {
        engines.close();
    }
}
