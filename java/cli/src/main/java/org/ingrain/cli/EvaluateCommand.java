package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.Candidates;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.QuestionFlags;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.StageProgress;
import org.ingrain.distill.EvaluationRun;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.engine.AdapterSlots;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Json;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "evaluate",
        description = {"Accuracy with its 95 % interval and #Tokens of a method on questions with known answers.",
    "Example: ingrain evaluate --model DIR --task coin-flip --data coin_val.json --method direct --output "
            + "runs/coin-direct"})
final class EvaluateCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private TemplateFlags templateFlags;

    @Mixin
    private QuestionFlags questions;

    @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT LoRA adapter to answer with.")
    private Path adapter;

    @Option(names = "--method", defaultValue = "direct", paramLabel = "NAME",
            completionCandidates = Candidates.ShippedMethods.class,
            description = "${COMPLETION-CANDIDATES}, or a method's JSON file (default: ${DEFAULT-VALUE}).")
    private String method;

    @Option(names = "--n", split = ",", paramLabel = "N",
            description = "Samples of each step, which vote (default: 1).")
    private List<Integer> samples = List.of();

    @Option(names = "--temperature", defaultValue = "0", paramLabel = "T", description = "0 for greedy (the default).")
    private double temperature;

    @Option(names = "--top-p", defaultValue = "1", paramLabel = "P",
            description = "Probability mass kept; 1 for all (the default).")
    private double topP;

    @Option(names = "--max-tokens", defaultValue = "256", paramLabel = "N",
            description = "Of each text (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(names = "--seed", defaultValue = "1", paramLabel = "S",
            description = "Of the samples (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private BatchFlags batch;

    @Option(names = "--json", description = "The result as JSON.")
    private boolean json;

    @Option(names = "--output", required = true, paramLabel = "DIR",
            description = "The run's folder: every answer, and result.json.")
    private Path output;

    @Override
    public Integer call() {
        EvaluateConfig evaluate = new EvaluateConfig(
                SamplingParams.sampled(temperature, topP, maxTokens, seed), samples, questions.testOrders(), List.of());
        EvaluationRun.Config config = new EvaluationRun.Config(
                questions.config(null, 0), Methods.load(method), evaluate, adapter);
        ModelOptions options = templateFlags.apply(modelFlags.options());
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()));
                StageProgress progress = new StageProgress(0)) {
            GeneratorConfig sizes = batch.config(engine);
            Provenance provenance = DistillCommand.provenance(engine, sizes);
            EvaluationRun.check(config, provenance, output);
            int rank = adapter == null ? 0 : AdapterSlots.rank(AdapterSlots.read(adapter, engine.blueprint()));
            Generator generator = engine.generator(sizes, adapter == null ? 0 : 1, rank);
            EngineAnswerer answerer = new EngineAnswerer(engine, generator);
            ArmResult result = new EvaluationRun(config, provenance, answerer, progress).run(output);
            progress.close();
            System.out.println(json ? Json.pretty(result).strip() : summary(result));
        }
        return 0;
    }

    private static String summary(ArmResult result) {
        StringBuilder text = new StringBuilder(String.format(Locale.ROOT,
                "%s: %d of %d right, accuracy %.1f %% (95 %% interval %.1f to %.1f), %.1f tokens a question",
                result.title(), result.right(),
                result.answers(), 100 * result.accuracy(), 100 * result.low(), 100 * result.high(), result.tokens()));
        if (result.tooLong() > 0) {
            text.append(String.format(Locale.ROOT, "%n  prompts that do not fit into the context, so not asked: %d",
                    result.tooLong()));
        }
        if (result.answers() != result.questions()) {
            text.append(String.format(Locale.ROOT, "%n  %d questions, in several orders", result.questions()));
        }
        if (result.judging() != null) {
            share(text, "agreement with votes", result.judging().agreement());
            share(text, "of both orders", result.judging().bothOrders());
            share(text, "inconsistent", result.judging().inconsistent());
        }
        result.categories().forEach((category, own) -> share(text, category, own.accuracy()));
        return text.toString();
    }

    private static void share(StringBuilder text, String name, Double share) {
        if (share != null) {
            text.append(String.format(Locale.ROOT, "%n  %s: %.1f %%", name, 100 * share));
        }
    }
}
