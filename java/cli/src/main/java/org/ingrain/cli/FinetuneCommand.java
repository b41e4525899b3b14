package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.TrainingFlags;
import org.ingrain.cli.progress.Fallbacks;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.TrainingProgress;
import org.ingrain.engine.FreshModel;
import org.ingrain.engine.LoadedModel;
import org.ingrain.engine.ModelOptions;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.files.Digest;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.MemoryPlan;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.template.ChatTemplate;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingRun;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "finetune", description = {"Fine-tunes a model: a LoRA adapter in PEFT's format, or all weights; or trains a new one.",
    "A killed run goes on where it was when the same command is given again, to the same bits.",
    "Example: ingrain finetune --model DIR --data train.jsonl --output runs/tuned --rank 16 --epochs 3"})
final class FinetuneCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Option(names = "--data", required = true, paramLabel = "FILE", description = "JSONL: {\"prompt\", \"completion\"}, {\"messages\"} or {\"text\"}.")
    private Path data;

    @Option(names = "--validation-data", paramLabel = "FILE", description = "The same, to watch: the best checkpoint is chosen by it.")
    private Path validationData;

    @Option(names = "--validation-fraction", defaultValue = "0", paramLabel = "X", description = "Share of --data to watch instead.")
    private double validationFraction;

    @Option(names = "--max-length", paramLabel = "N", description = "Longest row in tokens (default: the model's context, 2048 at most).")
    private Integer maxLength;

    @Option(names = "--truncate", description = "Cut longer rows; without it they are refused.")
    private boolean truncate;

    @Option(names = "--packing", description = "Fill --max-length with several rows, which do not see one another.")
    private boolean packing;

    @Option(names = "--full", description = "Train all weights instead of an adapter.")
    private boolean full;

    @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT LoRA adapter to go on from; its rank, alpha and targets must be those that are trained.")
    private Path adapter;

    @Option(names = "--fresh", description = "Train a new model from random weights: --model is a folder with config.json and a tokenizer.")
    private boolean fresh;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "S",
            description = "Of the order of examples, the first adapter and dropout (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private TrainingFlags training;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "The run's folder: checkpoints, metrics, and the result in it.")
    private Path output;

    @Override
    public Integer call() {
        if (fresh && adapter != null || full && adapter != null || fresh && full) {
            throw new InputException("--fresh, --full, --adapter: more than one of them, expected one at most");
        }
        ModelOptions options = modelFlags.options();
        Blueprint config = ModelFolder.readConfig(options.model());
        List<LoraModule> from = adapter == null ? List.of() : Session.adapter(adapter, config);
        SortedMap<String, String> provenance = Provenances.of(options);
        if (adapter != null) {
            Digest.model(adapter).forEach((file, hash) -> provenance.put("adapter " + file, hash));
        }
        TrainingRun run = new TrainingRun(output, read(options, config), training.optimizer(), training.train(seed), provenance);
        LoadedModel.Needs needs = (context, c, precision) -> {
            Weights planned = new Weights(new Allocator.Counter(context), c, precision, Rank.SINGLE);
            return List.of(new MemoryPlan.Part("training", full || fresh ? Trainer.memory(run).fullBytes(planned)
                    : Trainer.memory(run).loraBytes(planned, training.lora())));
        };
        LoadProgress loading = new LoadProgress(options.model());
        if (fresh) {
            try (FreshModel model = FreshModel.open(options, needs, loading::planned);
                    Trainer trainer = Trainer.fresh(model.weights(), model.folder(), run)) {
                return train(model.context(), trainer);
            }
        }
        try (LoadedModel model = LoadedModel.open(options, needs, loading);
                Trainer trainer = full ? Trainer.full(model.weights(), model.folder(), run)
                        : Trainer.lora(model.weights(), training.lora(), options.model().toString(), from, run)) {
            return train(model.context(), trainer);
        }
    }

    private int train(Context context, Trainer trainer) {
        try (TrainingProgress progress = new TrainingProgress("train", training.optimizer().warmupSteps())) {
            TrainReport report = trainer.train(progress);
            progress.close();
            System.err.printf(Locale.ROOT, "%d rows, %d steps, loss %.4f at first, %.4f at last%s%n", report.rows(), report.steps(),
                    report.firstLoss(), report.lastLoss(), report.validationLoss() == null ? ""
                            : String.format(Locale.ROOT, ", validation %.4f at step %d", report.validationLoss(), report.chosenStep()));
            System.out.println(report.result());
        }
        Fallbacks.warn(context);
        return 0;
    }

    private TrainingData read(ModelOptions options, Blueprint config) {
        int length = maxLength == null ? Math.min(config.maxPositionEmbeddings(), 2048) : maxLength;
        if (length > config.maxPositionEmbeddings()) {
            throw new InputException("--max-length: " + length + ", expected at most max_position_embeddings " + config.maxPositionEmbeddings());
        }
        try (Tokenizer tokenizer = Tokenizers.open(options.model())) {
            return TrainingDataReader.read(new DataConfig(data, validationData, validationFraction, length, truncate, packing), tokenizer,
                    ChatTemplate.open(options.model(), tokenizer), seed);
        }
    }
}
