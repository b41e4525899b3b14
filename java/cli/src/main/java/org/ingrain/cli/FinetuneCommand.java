package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.RecipeFlag;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.flags.TrainingFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.TrainingProgress;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Digest;
import org.ingrain.files.InputFile;
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
        description = {"Fine-tunes a model with LoRA or all weights, or trains a new one.",
    "Writes an adapter in PEFT's format, or a Hugging Face folder with --full or --fresh. The same command resumes "
            + "a run that was interrupted, with bitwise equal results."},
        customSynopsis = "ingrain finetune [OPTIONS] --model DIR --data FILE --output DIR",
        footer = {
    "  echo '{\"prompt\": \"Spell Ann.\", \"completion\": \"A n n\"}' > train.jsonl",
    "  ingrain finetune --model models/lab --data train.jsonl --epochs 3 \\",
    "    --rank 16 --output runs/tuned"})
final class FinetuneCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private RecipeFlag recipe;

    @Mixin
    private TemplateFlags templateFlags;

    @Under(Heading.MODEL)
    @Option(names = "--adapter", paramLabel = "DIR",
            description = "PEFT LoRA adapter to start from; must have the --rank, --alpha and --target-modules of the "
            + "training.")
    private Path adapter;

    @Under(Heading.MODEL)
    @Option(names = "--fresh",
            description = "Train a new model from random weights; --model needs config.json and a tokenizer only.")
    private boolean fresh;

    @Under(Heading.DATA)
    @Option(names = "--data", required = true, paramLabel = "FILE",
            description = "Rows as JSON Lines or a JSON array (also gzipped) with the columns prompt and completion, "
                    + "messages, conversations (ShareGPT), instruction, input and output (Alpaca), or text.")
    private Path data;

    @Under(Heading.DATA)
    @Option(names = "--validation-data", paramLabel = "FILE",
            description = "Validation rows in the same format; they select the best checkpoint.")
    private Path validationData;

    @Under(Heading.DATA)
    @Option(names = "--validation-fraction", defaultValue = "0", paramLabel = "X",
            description = "Share of --data to validate on, instead of --validation-data (default: ${DEFAULT-VALUE}).")
    private double validationFraction;

    @Under(Heading.DATA)
    @Option(names = "--max-length", paramLabel = "N",
            description = "Maximum row length in tokens (default: the model's context, at most 2048).")
    private Integer maxLength;

    @Under(Heading.DATA)
    @Option(names = "--truncate",
            description = "Truncate longer rows and drop rows that then have no target token (default: refuse longer "
            + "rows).")
    private boolean truncate;

    @Under(Heading.DATA)
    @Option(names = "--packing",
            description = "Pack several rows into one sequence of --max-length; rows do not attend to one another.")
    private boolean packing;

    @Under(Heading.TRAINING)
    @Option(names = "--full", description = "Train all weights instead of an adapter.")
    private boolean full;

    @Under(Heading.TRAINING)
    @Option(names = "--seed", defaultValue = "0", paramLabel = "S",
            description = "Seed of the row order, the initial adapter and dropout (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private TrainingFlags training;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", required = true, paramLabel = "DIR",
            description = "Run folder: checkpoints, metrics and the result.")
    private Path output;

    @Override
    public Integer call() {
        if (fresh && adapter != null || full && adapter != null || fresh && full) {
            throw new InputException("--fresh, --full, --adapter: several given, expected at most one");
        }
        ModelOptions given = templateFlags.apply(modelFlags.options());
        ModelOptions options = fresh ? given.withRandomWeights(0) : given;
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            List<LoraModule> from = adapter == null ? List.of() : engine.trainableAdapter(adapter);
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
            System.err.printf(Locale.ROOT, "%d rows, %d steps, first loss %.4f, last loss %.4f%s%n", report.rows(),
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
        DataConfig config = new DataConfig(InputFile.rereadable(data), InputFile.rereadable(validationData),
                validationFraction, length, truncate, packing);
        TrainingData rows = TrainingDataReader.read(config, engine.tokenizer(), engine.template(), seed);
        if (rows.dropped() > 0) {
            System.err.println("ingrain: warning: " + rows.dropped() + " rows dropped: --truncate leaves no target "
                    + "token in their first " + length + " tokens");
        }
        return rows;
    }
}
