package org.ingrain.distill.engine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.Progress;
import org.ingrain.engine.LoadedModel;
import org.ingrain.files.Digest;
import org.ingrain.model.LoraModule;
import org.ingrain.model.MemoryPlan;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.ExampleEncoder;
import org.ingrain.train.data.ExampleReader;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.data.TrainingExample;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingRun;

/**
 * Trains students with the engine, on the weights that answer: a frozen model is one copy for both.
 *
 * @param model      whose weights stay as they are
 * @param template   the one that renders prompts for sampling and evaluation too
 * @param config     of every student
 * @param provenance kept in the training's folder, compared when it is taken up again
 */
public record EngineTuner(LoadedModel model, ChatTemplate template, TunerConfig config, SortedMap<String, String> provenance) implements Tuner {
    @Override
    public Tuned tune(Job job, Progress progress) {
        TrainingRun run = run(job);
        new MemoryPlan(List.of(room(run))).require(job.stage() + ": " + model.folder().path(), model.context().memoryInfo().free());
        List<LoraModule> from = job.from() == null ? List.of() : PeftAdapter.read(job.from(), model.config()).modules();
        try (Trainer trainer = Trainer.lora(model.weights(), config.lora(), model.folder().path().toString(), from, run)) {
            TrainReport report = trainer.train(step -> progress.at(new Progress.State(job.stage(), step.step(), step.of(), "steps",
                    step.tokensPerSecond())));
            return new Tuned(job.folder().relativize(report.result()).toString(), report.rows(), report.steps(), report.firstLoss(),
                    report.lastLoss(), report.validationLoss());
        }
    }

    /** What training on a job's rows takes on the device beside the weights, at least. */
    public MemoryPlan.Part room(Job job) {
        return room(run(job));
    }

    @Override
    public int tokens(TrainingRow row) {
        TrainingExample example = new TrainingExample.Answer(row.prompt(), List.of(Message.assistant(row.completion())));
        return new ExampleEncoder(model.tokenizer(), template, Integer.MAX_VALUE, false).encode(new ExampleReader.Row("row", example)).length();
    }

    @Override
    public int longest() {
        return model.config().maxPositionEmbeddings();
    }

    private TrainingRun run(Job job) {
        DataConfig data = DataConfig.of(job.train(), isEmpty(job.validation()) ? null : job.validation(), longest());
        return new TrainingRun(job.folder(), TrainingDataReader.read(data, model.tokenizer(), template, config.train().seed()),
                config.optimizer(), config.train(), provenance(job));
    }

    private SortedMap<String, String> provenance(Job job) {
        SortedMap<String, String> all = new TreeMap<>(provenance);
        if (job.from() != null) {
            Digest.model(job.from()).forEach((file, hash) -> all.put("adapter " + file, hash));
        }
        return all;
    }

    private MemoryPlan.Part room(TrainingRun run) {
        return new MemoryPlan.Part("training", Trainer.memory(run).loraBytes(model.weights(), config.lora()));
    }

    private static boolean isEmpty(Path file) {
        try {
            return !Files.exists(file) || Files.size(file) == 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
