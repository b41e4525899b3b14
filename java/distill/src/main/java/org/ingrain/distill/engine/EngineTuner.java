package org.ingrain.distill.engine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.Progress;
import org.ingrain.engine.Engine;
import org.ingrain.engine.MemoryPlan;
import org.ingrain.files.Digest;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.ExampleEncoder;
import org.ingrain.train.data.ExampleReader;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.data.TrainingExample;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingRun;

/**
 * Trains students with the engine. Training of an adapter and sampling share one copy of the frozen weights.
 *
 * @param engine     engine with the base model; the training of an adapter does not change the engine's weights. If all
 *                   weights are trained, the engine must have the model that the training starts from. The training
 *                   changes the engine's weights, so the engine must not be used afterwards
 * @param config     training settings of all students
 * @param provenance properties that the training depends on; they are stored in the training folder and compared when
 *                   the training is resumed
 */
public record EngineTuner(Engine engine, TunerConfig config, SortedMap<String, String> provenance) implements Tuner {
    @Override
    public Tuned tune(Job job, Progress progress) {
        TrainingRun run = run(job);
        try (Trainer trainer = trainer(job, run)) {
            TrainReport report = trainer.train(step -> progress.at(
                    new Progress.State(job.stage(), step.step(), step.of(), "steps", step.tokensPerSecond())));
            return new Tuned(job.folder().relativize(report.result()).toString(), report.rows(), report.steps(),
                    report.firstLoss(), report.lastLoss(), report.validationLoss());
        }
    }

    private Trainer trainer(Job job, TrainingRun run) {
        return config.full() ? engine.trainer(run) : engine.trainer(config.lora(), job.from() == null
                ? List.of() : engine.trainableAdapter(job.from()), run);
    }

    /** Minimum device memory for the training of a job, without the model's weights. */
    public MemoryPlan.Part room(Job job) {
        return engine.room(config.lora(), run(job));
    }

    @Override
    public int tokens(TrainingRow row) {
        TrainingExample example = new TrainingExample.Answer(
                row.prompt(), row.answer());
        ExampleEncoder encoder = new ExampleEncoder(engine.tokenizer(), engine.template(), Integer.MAX_VALUE, false);
        return encoder.encode(new ExampleReader.Row("row", example)).stream().mapToInt(TrainingSequence::length).max()
                .orElseThrow();
    }

    @Override
    public int tokens(String text) {
        return engine.tokenizer().encode(text, false).length + 1;
    }

    @Override
    public int longest() {
        return engine.blueprint().maxContextLength();
    }

    private TrainingRun run(Job job) {
        DataConfig data = DataConfig.of(job.train(), isEmpty(job.validation()) ? null : job.validation(), longest());
        TrainingData rows = TrainingDataReader.read(data, engine.tokenizer(), engine.template(), config.train().seed());
        return new TrainingRun(job.folder(), rows, config.optimizer(), config.train(), provenance(job));
    }

    private SortedMap<String, String> provenance(Job job) {
        SortedMap<String, String> all = new TreeMap<>(provenance);
        if (job.from() != null) {
            Digest.model(job.from()).forEach((file, hash) -> all.put("adapter " + file, hash));
        }
        return all;
    }

    private static boolean isEmpty(Path file) {
        try {
            return !Files.exists(file) || Files.size(file) == 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
