package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.Candidates;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.QuestionFlags;
import org.ingrain.cli.flags.Recipe;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.flags.TrainingFlags;
import org.ingrain.cli.flags.Words;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.StageProgress;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.Seeds;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineTuner;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.Fingerprint;
import org.ingrain.engine.ModelOptions;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "distill", description = {
    "Distils a System 2 method into a model: sample, curate, train, evaluate, report (arXiv:2407.06023).",
    "Everything goes into one run folder; a killed run goes on where it was when the same command is given again.",
    "Example:",
    "  ingrain distill --model DIR --task last-letter --data last_letter_rar.json --method rar-2-step --n 8 --output "
    + "runs/letters",
    "Exit status 3: curation kept nothing to train on, with any of the --seeds. If only some seeds kept nothing, they "
    + "are reported and",
    "left out of the table."})
final class DistillCommand implements Callable<Integer> {
    private static final int NOTHING_KEPT = 3;
    private static final double VOTING_TEMPERATURE = 0.7;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private TemplateFlags templateFlags;

    @Mixin
    private QuestionFlags questions;

    @Option(names = "--test-data", paramLabel = "FILE",
            description = "Questions to evaluate on (default: some of --data, held out).")
    private Path testData;

    @Option(names = "--test-size", defaultValue = "0", paramLabel = "N",
            description = "Questions held out of --data; 0 for a fifth (the default).")
    private int testSize;

    @Option(names = "--method", defaultValue = "rar-2-step", paramLabel = "NAME",
            completionCandidates = Candidates.ShippedMethods.class,
            description = "${COMPLETION-CANDIDATES}, or a method's JSON file (default: ${DEFAULT-VALUE}).")
    private String method;

    @Option(names = "--n", split = ",", paramLabel = "N",
            description = "Samples of each step of the method, such as 8 or 8,8 "
            + "(default: as the method says).")
    private List<Integer> samples = List.of();

    @Option(names = "--temperature", defaultValue = "0.7", paramLabel = "T",
            description = "Of the samples (default: ${DEFAULT-VALUE}; ours).")
    private double temperature;

    @Option(names = "--top-p", defaultValue = "0.9", paramLabel = "P",
            description = "Of the samples (default: ${DEFAULT-VALUE}; ours).")
    private double topP;

    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K",
            description = "Of the samples; 0 for all (the default).")
    private int topK;

    @Option(names = "--max-tokens", defaultValue = "256", paramLabel = "N",
            description = "Of each text (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(names = "--seed", defaultValue = "1", paramLabel = "S",
            description = "Of the samples and of the training (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--seeds", defaultValue = "1", paramLabel = "N",
            description = "Distillations, with seeds from --seed on: a folder each below --output, "
            + "and their means with intervals beside (default: ${DEFAULT-VALUE}).")
    private int seeds;

    @Option(names = "--majority", defaultValue = "more-than-half", paramLabel = "RULE",
            description =
                    "more-than-half, plurality; universal: the model selects one of its own responses; first, all: no "
                    + "filter "
                    + "(default: ${DEFAULT-VALUE}).")
    private String majority;

    @Option(names = "--min-votes", defaultValue = "0", paramLabel = "N", description = "Fewest votes of a label.")
    private int minVotes;

    @Option(names = "--min-fraction", defaultValue = "0", paramLabel = "X",
            description = "Smallest share of the samples a label must have.")
    private double minFraction;

    @Option(names = "--per-stage", negatable = true,
            description =
                    "The samples of each step vote among themselves, then the step before; without it all answers "
                    + "vote at once.")
    private boolean perStage;

    @Option(names = "--orders", defaultValue = "1", paramLabel = "N",
            description = "Orders of options or responses to ask in; kept if all agree (default: ${DEFAULT-VALUE}).")
    private int orders;

    @Option(names = "--all-samples", description = "Draw every sample, even where the verdict stands already.")
    private boolean allSamples;

    @Option(names = "--rounds", defaultValue = "1", paramLabel = "N",
            description = "Distil again from the distilled model, so often in all (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--stages", defaultValue = "0", paramLabel = "N",
            description =
                    "Number of stages in which the words before the answer are removed, training after each; 0: "
                    + "all at once (the default).")
    private int stages;

    @Option(names = "--target", defaultValue = "answer", paramLabel = "WHAT",
            description = "What the student learns to say: answer, or response (the sample's whole last text).")
    private String target;

    @Option(names = "--validation-fraction", defaultValue = "0", paramLabel = "X",
            description = "Share of the kept examples watched, not trained on.")
    private double validationFraction;

    @Option(names = "--controls", split = ",", paramLabel = "NAME",
            description = "distilled-system-1, unfiltered: students trained beside; "
            + "none leaves out a recipe's.")
    private List<String> controls = List.of();

    @Option(names = "--baselines", split = ",", paramLabel = "NAME",
            description = "Other methods to measure on the model as it is: rows of the table "
            + "after System 2's; none leaves out a recipe's.")
    private List<String> baselines = List.of();

    @Option(names = "--test-votes", split = ",", paramLabel = "K",
            description = "Answers to each held-out question that vote, such as 1,5,10: draws "
            + "the largest number; reports the majority of the first k answers for each k (default: 1).")
    private List<Integer> testVotes = List.of();

    @Option(names = "--test-temperature", paramLabel = "T",
            description = "Of the answers to held-out questions (default: 0.7 where several vote; ours; "
            + "else 0, greedy). Beside one, --top-p and --top-k count too.")
    private Double testTemperature;

    @Mixin
    private TrainingFlags training;

    @Mixin
    private BatchFlags batch;

    @Option(names = "--recipe", paramLabel = "NAME",
            description = "An experiment of the paper (models/recipes) or a file like it: flags, in "
            + "whose place those stand that are given here.")
    private String recipe;

    @Option(names = "--dry-run",
            description = "Try a few questions, print the plan (calls, tokens, memory, time), and do nothing else.")
    private boolean dryRun;

    @Option(names = "--output", paramLabel = "DIR",
            description = "The run's folder (default: runs/ and the recipe's name).")
    private Path output;

    @Override
    public Integer call() {
        if (output == null && recipe == null && !dryRun) {
            throw new InputException("--output: none, expected the run's folder");
        }
        Seeds<TunerConfig> runs = Seeds.of(folder(), Seeds.range(seed, seeds), this::config);
        ModelOptions options = templateFlags.apply(modelFlags.options());
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            GeneratorConfig sizes = batch.config(engine);
            if (!dryRun) {
                return distil(engine, sizes, runs);
            }
            runs.check(provenance(engine, sizes));
            Recipe from = recipe == null ? null : Recipe.load(recipe);
            return new DryRun(engine, sizes, from, seeds).print(runs.runs().getFirst());
        }
    }

    /** What answers: the engine's fingerprint, and the longest text of a prompt and its completion. */
    static Provenance provenance(Engine engine, GeneratorConfig sizes) {
        SortedMap<String, String> all = engine.fingerprint();
        all.put("context", String.valueOf(sizes.contextLength()));
        return new Provenance(Fingerprint.version(), engine.options().model(), all);
    }

    /** Distils on one model and prints the table; the exit status. */
    static int distil(Engine engine, GeneratorConfig sizes, Seeds<TunerConfig> runs) {
        Provenance provenance = provenance(engine, sizes);
        runs.check(provenance);
        TunerConfig train = runs.runs().getFirst().config().train();
        EngineAnswerer answerer = new EngineAnswerer(engine, engine.generator(sizes, 1, train.lora().rank()));
        try (StageProgress progress = new StageProgress(train.optimizer().warmupSteps())) {
            Optional<Seeds.Result> result = runs.run(provenance, answerer,
                    own -> new EngineTuner(engine, own, provenance.engine()), progress, line -> {
                        progress.close();
                        System.err.println("ingrain: " + line);
                    });
            progress.close();
            result.ifPresent(found -> {
                System.out.print(found.table());
                System.err.println("report: " + found.report());
            });
            return result.isPresent() ? 0 : NOTHING_KEPT;
        }
    }

    /** Null for a plan that names none. */
    private Path folder() {
        return output != null || recipe == null ? output : Path.of(
                "runs", Path.of(recipe).getFileName().toString().replaceFirst("\\.json$", ""));
    }

    private DistillConfig<TunerConfig> config(long own) {
        SamplingParams params = SamplingParams.sampled(temperature, topP, maxTokens, own).withTopK(topK);
        CurationConfig curation = new CurationConfig(
                Words.choose("--majority", majority, Rule.class), minVotes, minFraction, perStage, orders, !allSamples,
                Words.choose("--target", target, Target.class), validationFraction, own);
        return new DistillConfig<>(questions.config(testData, testSize), Methods.load(method),
                new SampleConfig(samples, params), curation,
                new TunerConfig(training.lora(), training.optimizer(), training.train(own)), evaluation(own),
                new TeachConfig(rounds, stages));
    }

    private EvaluateConfig evaluation(long own) {
        double drawn = testTemperature != null ? testTemperature : testVotes.stream().anyMatch(k -> k > 1)
                ? VOTING_TEMPERATURE : 0;
        SamplingParams params = drawn == 0 ? SamplingParams.greedy(maxTokens).withSeed(own)
                : SamplingParams.sampled(drawn, topP, maxTokens, own).withTopK(topK);
        return new EvaluateConfig(params, List.of(), questions.testOrders(),
                named(controls).stream().map(name -> Words.choose("--controls", name, Control.class)).toList(),
                testVotes,
                named(baselines).stream().map(name -> Methods.load("--baselines", name)).toList());
    }

    private static List<String> named(List<String> words) {
        return words.equals(List.of("none")) ? List.of() : words;
    }
}
