package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.flags.TrainingFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.TrainingProgress;
import org.ingrain.engine.AdapterSlots;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Digest;
import org.ingrain.model.LoraModule;
import org.ingrain.tensor.InputException;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingRun;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "finetune",
        description = {"Fine-tunes a model: a LoRA adapter in PEFT's format, or all weights; or trains a new one.",
    "A killed run goes on where it was when the same command is given again, to the same bits.",
    "Example: ingrain finetune --model DIR --data train.jsonl --output runs/tuned --rank 16 --epochs 3"})
final class FinetuneCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private TemplateFlags templateFlags;

    @Option(names = "--data", required = true, paramLabel = "FILE",
            description = "JSONL: {\"prompt\", \"completion\"}, {\"messages\"} or {\"text\"}.")
    private Path data;

    @Option(names = "--validation-data", paramLabel = "FILE",
            description = "The same, to watch: the best checkpoint is chosen by it.")
    private Path validationData;

    @Option(names = "--validation-fraction", defaultValue = "0", paramLabel = "X",
            description = "Share of --data to watch instead.")
    private double validationFraction;

    @Option(names = "--max-length", paramLabel = "N",
            description = "Longest row in tokens (default: the model's context, 2048 at most).")
    private Integer maxLength;

    @Option(names = "--truncate", description = "Cut longer rows; without it they are refused.")
    private boolean truncate;

    @Option(names = "--packing", description = "Fill --max-length with several rows, which do not see one another.")
    private boolean packing;

    @Option(names = "--full", description = "Train all weights instead of an adapter.")
    private boolean full;

    @Option(names = "--adapter", paramLabel = "DIR",
            description =
            "PEFT LoRA adapter to go on from; its rank, alpha and targets must be those that are trained.")
    private Path adapter;

    @Option(
            names = "--fresh",
            description =
            "Train a new model from random weights: --model is a folder with config.json and a tokenizer.")
    private boolean fresh;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "S",
            description = "Of the order of examples, the first adapter and dropout (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private TrainingFlags training;

    @Option(names = "--output", required = true, paramLabel = "DIR",
            description = "The run's folder: checkpoints, metrics, and the result in it.")
    private Path output;

    @Override
    public Integer call() {
        if (fresh && adapter != null || full && adapter != null || fresh && full) {
            throw new InputException("--fresh, --full, --adapter: more than one of them, expected one at most");
        }
        ModelOptions given = templateFlags.apply(modelFlags.options());
        ModelOptions options = fresh ? given.withRandomWeights(0) : given;
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            List<LoraModule> from = adapter == null ? List.of() : AdapterSlots.read(adapter, engine.blueprint());
            SortedMap<String, String> provenance = engine.modelFingerprint();
            if (adapter != null) {
                Digest.model(adapter).forEach((file, hash) -> provenance.put("adapter " + file, hash));
            }
            TrainingRun run = new TrainingRun(output, read(engine), training.optimizer(), training.train(seed),
                    provenance);
            try (Trainer trainer = full || fresh ? engine.trainer(run) : engine.trainer(training.lora(), from, run)) {
                train(trainer);
            }
        }
        return 0;
    }

    private void train(Trainer trainer) {
        try (TrainingProgress progress = new TrainingProgress("train", training.optimizer().warmupSteps())) {
            TrainReport report = trainer.train(progress);
            progress.close();
            System.err.printf(Locale.ROOT, "%d rows, %d steps, loss %.4f at first, %.4f at last%s%n", report.rows(),
                    report.steps(), report.firstLoss(), report.lastLoss(), report.validationLoss() == null ? ""
                            : String.format(Locale.ROOT, ", validation %.4f at step %d", report.validationLoss(),
                                    report.chosenStep()));
            System.out.println(report.result());
        }
    }

    private TrainingData read(Engine engine) {
        int positions = engine.blueprint().maxContextLength();
        int length = maxLength == null ? Math.min(positions, 2048) : maxLength;
        if (length > positions) {
            throw new InputException("--max-length: " + length + ", expected at most "
                    + engine.blueprint().contextLimit());
        }
        DataConfig config = new DataConfig(data, validationData, validationFraction, length, truncate, packing);
        return TrainingDataReader.read(config, engine.tokenizer(), engine.template(), seed);
    }
}
