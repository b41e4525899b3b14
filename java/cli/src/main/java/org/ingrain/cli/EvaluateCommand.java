package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.Candidates;
import org.ingrain.cli.flags.ClusterFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.QuestionFlags;
import org.ingrain.cli.flags.RecipeFlag;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.StageProgress;
import org.ingrain.distill.EvaluationRun;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Json;
import org.ingrain.model.AdapterBank;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "evaluate",
        description = {"Evaluates a method on questions with known answers.",
    "Reports accuracy with its 95 %% interval and the tokens per question (#Tokens)."},
        customSynopsis = {"ingrain evaluate [OPTIONS] --model DIR --task NAME",
                "                        --data FILE --output DIR"},
        footer = {
    "  ingrain evaluate --model models/lab --task coin-flip --generate 20 \\",
    "    --method direct --max-tokens 32 --output runs/coin-direct"})
final class EvaluateCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private RecipeFlag recipe;

    @Mixin
    private TemplateFlags templateFlags;

    @Mixin
    private QuestionFlags questions;

    @Under(Heading.MODEL)
    @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT LoRA adapter to apply to the model.")
    private Path adapter;

    @Under(Heading.SAMPLING)
    @Option(names = "--method", defaultValue = "direct", paramLabel = "NAME",
            completionCandidates = Candidates.ShippedMethods.class,
            description = "Method: ${COMPLETION-CANDIDATES}, or a JSON file (default: ${DEFAULT-VALUE}).")
    private String method;

    @Under(Heading.SAMPLING)
    @Option(names = "--n", split = ",", paramLabel = "N",
            description = "Samples per step of the method; the majority is the answer (default: 1).")
    private List<Integer> samples = List.of();

    @Under(Heading.SAMPLING)
    @Option(names = "--temperature", defaultValue = "0", paramLabel = "T",
            description = "Sampling temperature; 0 means greedy (default: ${DEFAULT-VALUE}).")
    private double temperature;

    @Under(Heading.SAMPLING)
    @Option(names = "--max-tokens", defaultValue = "256", paramLabel = "N",
            description = "Maximum length of each text in tokens (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Under(Heading.SAMPLING)
    @Option(names = "--seed", defaultValue = "1", paramLabel = "S",
            description = "Seed of the samples (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Under(Heading.SAMPLING)
    @Option(names = "--top-p", defaultValue = "1", paramLabel = "P",
            description = "Sample from the most probable tokens with total probability P (default: ${DEFAULT-VALUE}).")
    private double topP;

    @Mixin
    private BatchFlags batch;

    @Mixin
    private ClusterFlags cluster;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", required = true, paramLabel = "DIR",
            description = "Run folder: all answers and result.json.")
    private Path output;

    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    @Override
    public Integer call() {
        cluster.check();
        EvaluateConfig evaluate = new EvaluateConfig(
                SamplingParams.sampled(temperature, topP, maxTokens, seed), samples, questions.testOrders(), List.of());
        EvaluationRun.Config config = new EvaluationRun.Config(
                questions.config(List.of(), 0), Methods.load(method), evaluate, adapter);
        ModelOptions options = templateFlags.apply(modelFlags.options());
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()));
                StageProgress progress = new StageProgress(0)) {
            GeneratorConfig sizes = batch.config(engine);
            Provenance provenance = DistillWorkers.provenance(engine, batch);
            EvaluationRun.check(config, provenance, output);
            ArmResult result;
            try (Answerer answerer = cluster.answerer(engine, sizes, adapters(engine))) {
                result = new EvaluationRun(config, provenance, answerer, progress).run(output);
            }
            progress.close();
            System.out.println(json ? Json.pretty(result).strip() : summary(result));
        }
        return 0;
    }

    private AdapterBank.Limits adapters(Engine engine) {
        return adapter == null ? AdapterBank.Limits.of(0, 0) : AdapterBank.Limits.of(engine.adapter(adapter));
    }

    private static String summary(ArmResult result) {
        StringBuilder text = new StringBuilder(String.format(Locale.ROOT,
                "%s: %d of %d right, accuracy %.1f %% (95 %% interval %.1f to %.1f), %.1f tokens per question",
                result.title(), result.right(),
                result.answers(), 100 * result.accuracy(), 100 * result.low(), 100 * result.high(), result.tokens()));
        if (result.tooLong() > 0) {
            text.append(String.format(Locale.ROOT, "%n  skipped, because the prompt is longer than the context: %d",
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
        share(text, result.commonest().title(), result.commonest().accuracy());
        return text.toString();
    }

    private static void share(StringBuilder text, String name, Double share) {
        if (share != null) {
            text.append(String.format(Locale.ROOT, "%n  %s: %.1f %%", name, 100 * share));
        }
    }
}
