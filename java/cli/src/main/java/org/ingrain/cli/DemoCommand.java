package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.ClusterFlags;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.Home;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Seeds;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.lab.LabQuestions;
import org.ingrain.lab.LabQuestions.Kind;
import org.ingrain.sample.SamplingParams;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Schedule;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "demo", description = {
    "Shows a distillation on a small model, in minutes on two cores.",
    "The model comes with the program (models/lab). It answers last letters and coin flips directly (System 1), in two "
    + "steps (System 2), and directly again after distillation. The same command resumes an interrupted demo."},
        customSynopsis = "ingrain demo [OPTIONS]",
        footer = {
    "  ingrain demo",
    "  ingrain demo --seeds 3 --output runs/demo-3"})
final class DemoCommand implements Callable<Integer> {
    private static final int SAMPLES = 8;
    private static final int MOST_TOKENS = 96;

    @Mixin
    private DeviceFlags device;

    @Under(Heading.SAMPLING)
    @Option(names = "--seeds", defaultValue = "1", paramLabel = "N",
            description = "Distillations per task, with seeds 1 to N (default: ${DEFAULT-VALUE}).")
    private int seeds;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", defaultValue = "runs/demo", paramLabel = "DIR",
            description = "Folder of the run folders (default: ${DEFAULT-VALUE}).")
    private Path output;

    @Under(Heading.DATA)
    @Option(names = "--pool-size", hidden = true, defaultValue = "400",
            description = "Questions per task to distil on.")
    private int poolSize;

    @Under(Heading.DATA)
    @Option(names = "--test-size", hidden = true, defaultValue = "300",
            description = "Held-out questions per task.")
    private int testSize;

    @Mixin
    private BatchFlags batch;

    @Mixin
    private ClusterFlags cluster;

    @Override
    public Integer call() {
        cluster.check();
        List<Long> all = Seeds.range(1, seeds);
        Path model = Home.models().resolve("lab");
        ModelOptions options = device.options(model, "auto");
        Path questions = output.resolve("questions");
        LabQuestions.write(questions, poolSize, testSize);
        System.err.println(
                "lab model: 0.85 million parameters, trained from scratch by `ingrain lab` (models/lab/README.md)");
        int status = 0;
        for (Kind kind : List.of(Kind.LETTERS, Kind.COIN)) {
            Seeds<TunerConfig> runs = Seeds.of(output.resolve(kind.task().name()), all,
                    seed -> config(kind, questions, seed));
            try (Engine engine = Engine.open(options, new LoadProgress(model))) {
                status = Math.max(status, DistillCommand.distil(DistillWorkers.of(engine, batch, cluster, null,
                        runs.runs().getFirst().config().train()), runs));
            }
            System.out.println();
        }
        return status;
    }

    private static DistillConfig<TunerConfig> config(Kind kind, Path questions, long seed) {
        QuestionConfig data = new QuestionConfig(kind.task(), kind.file(questions, "pool"),
                List.of(kind.file(questions, "test")), 0, 0, 0, null, 1, null, null);
        SamplingParams sampling = SamplingParams.sampled(0.7, 1, MOST_TOKENS, seed);
        EvaluateConfig evaluate = new EvaluateConfig(SamplingParams.greedy(MOST_TOKENS).withSeed(seed), List.of(), 1,
                List.of(Control.DISTILLED_SYSTEM_1, Control.UNFILTERED));
        return new DistillConfig<>(data, Methods.load(kind.method()), new SampleConfig(List.of(SAMPLES, 1), sampling),
                CurationConfig.defaults(), train(seed), evaluate, TeachConfig.once());
    }

    private static TunerConfig train(long seed) {
        OptimizerConfig optimizer = new OptimizerConfig(3e-3, 0.9, 0.999, 1e-8, 0, 1, Schedule.COSINE, 10, 0.05);
        return new TunerConfig(LoraConfig.of(16, 32), optimizer, new TrainConfig(10, 0, 32, 1, seed, 0, 0, 1, false));
    }
}
