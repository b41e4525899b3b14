package org.ingrain.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.Candidates;
import org.ingrain.cli.flags.ClusterFlags;
import org.ingrain.cli.flags.CurationFlags;
import org.ingrain.cli.flags.FlagNames;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.QuestionFlags;
import org.ingrain.cli.flags.Recipe;
import org.ingrain.cli.flags.RunFlags;
import org.ingrain.cli.flags.TeacherFlags;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.flags.TrainingFlags;
import org.ingrain.cli.flags.Words;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.StageProgress;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.Seeds;
import org.ingrain.distill.StageKind;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.sample.ImportedAnswers;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.InputFile;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;

@Command(name = "distill", description = {
    "Distils a System 2 method into a model (arXiv:2407.06023).",
    "Stages: sample, curate, train, evaluate, report. All files are written to one run folder. The same command "
    + "resumes a run that was interrupted.",
    "Exit status 3: curation kept no training example for any of the --seeds. A seed without a training example is "
    + "reported and left out of the table."},
        customSynopsis = {"ingrain distill [OPTIONS] --model DIR --task NAME",
                "                       --data FILE --output DIR"},
        footer = {
    "  ingrain distill --model models/lab --task last-letter --generate 60 \\",
    "    --test-size 20 --n 4,1 --max-tokens 96 --output runs/letters",
    "  ingrain distill --model models/lab --recipe rar-last-letter --dry-run"})
final class DistillCommand implements Callable<Integer> {
    private static final int NOTHING_KEPT = 3;
    private static final double VOTING_TEMPERATURE = 0.7;

    @Parameters(index = "0", arity = "0..1", paramLabel = "STAGE", completionCandidates = Candidates.Stages.class,
            description = "Last stage to execute: ${COMPLETION-CANDIDATES} (default: report). Finished stages are not "
            + "repeated.")
    private String stage = "report";

    @Parameters(index = "1", arity = "0..1", paramLabel = "RUN",
            description = "Run folder to continue with the flags that are kept in its recipe.json.")
    private Path run;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private TemplateFlags templateFlags;

    @Mixin
    private TeacherFlags teacher;

    @Mixin
    private QuestionFlags questions;

    @Under(Heading.DATA)
    @Option(names = "--test-data", paramLabel = "FILE",
            description = "Questions to evaluate on. If given several times, each file also has a table of its own "
            + "(default: questions held out of --data).")
    private List<Path> testData = List.of();

    @Under(Heading.DATA)
    @Option(names = "--test-size", defaultValue = "0", paramLabel = "N",
            description = "Number of questions to hold out of --data, where 0 means a fifth; or number of "
            + "questions to read from each --test-data, where 0 means all (default: ${DEFAULT-VALUE}).")
    private int testSize;

    @Under(Heading.DATA)
    @Option(names = "--recipe", paramLabel = "NAME",
            description = "Take flags from an experiment of the paper (models/recipes) or from a JSON file; flags on "
            + "the command line override them.")
    private String recipe;

    @Under(Heading.SAMPLING)
    @Option(names = "--method", defaultValue = "rar-2-step", paramLabel = "NAME",
            completionCandidates = Candidates.ShippedMethods.class,
            description = "System 2 method: ${COMPLETION-CANDIDATES}, or a JSON file (default: ${DEFAULT-VALUE}).")
    private String method;

    @Under(Heading.SAMPLING)
    @Option(names = "--n", split = ",", paramLabel = "N",
            description = "Samples per step of the method, such as 8 or 8,8 (default: those of the method).")
    private List<Integer> samples = List.of();

    @Under(Heading.SAMPLING)
    @Option(names = "--samples", paramLabel = "FILE",
            description = "Answers sampled by another program, used instead of the method's samples: JSON Lines with "
            + "id or question, sample, text or texts; or a batch output of OpenAI or vLLM.")
    private Path importedSamples;

    @Under(Heading.SAMPLING)
    @Option(names = "--temperature", defaultValue = "0.7", paramLabel = "T",
            description = "Sampling temperature; not stated in the paper (default: ${DEFAULT-VALUE}).")
    private double temperature;

    @Under(Heading.SAMPLING)
    @Option(names = "--max-tokens", defaultValue = "256", paramLabel = "N",
            description = "Maximum length of each text in tokens (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Under(Heading.SAMPLING)
    @Option(names = "--seed", defaultValue = "1", paramLabel = "S",
            description = "Seed of sampling and training (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Under(Heading.TRAINING)
    @Option(names = "--train-seed", paramLabel = "S",
            description = "Seed of training only; with --seeds, the seed of the first run (default: that of --seed).")
    private Long trainSeed;

    @Under(Heading.SAMPLING)
    @Option(names = "--seeds", defaultValue = "1", paramLabel = "N",
            description = "Number of runs, with seeds from --seed upwards. Each has its own folder in --output; the "
            + "report has means and intervals (default: ${DEFAULT-VALUE}).")
    private int seeds;

    @Under(Heading.SAMPLING)
    @Option(names = "--top-p", defaultValue = "0.9", paramLabel = "P",
            description = "Sample from the most probable tokens with total probability P; not stated in the paper "
            + "(default: ${DEFAULT-VALUE}).")
    private double topP;

    @Under(Heading.SAMPLING)
    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K",
            description = "Sample from the K most probable tokens; 0 means all (default: ${DEFAULT-VALUE}).")
    private int topK;

    @Mixin
    private BatchFlags batch;

    @Mixin
    private ClusterFlags cluster;

    @Mixin
    private CurationFlags curation;

    @Under(Heading.TRAINING)
    @Option(names = "--full", description = "Train all weights of the students instead of adapters.")
    private boolean full;

    @Mixin
    private TrainingFlags training;

    @Under(Heading.TRAINING)
    @Option(names = "--rounds", defaultValue = "1", paramLabel = "N",
            description = "Number of distillations; each samples from the model that the previous one trained "
            + "(default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Under(Heading.TRAINING)
    @Option(names = "--stages", defaultValue = "0", paramLabel = "N",
            description = "Remove the reasoning in N stages and train after each; 0 trains on the answer alone "
            + "(default: ${DEFAULT-VALUE}).")
    private int stages;

    @Under(Heading.EVALUATION)
    @Option(names = "--baselines", split = ",", paramLabel = "NAME",
            description = "Other methods to evaluate on the original model; 'none' removes those of a recipe.")
    private List<String> baselines = List.of();

    @Under(Heading.EVALUATION)
    @Option(names = "--controls", split = ",", paramLabel = "NAME",
            description = "Students to train for comparison: distilled-system-1, unfiltered; 'none' removes those of "
            + "a recipe.")
    private List<String> controls = List.of();

    @Under(Heading.EVALUATION)
    @Option(names = "--control-n", paramLabel = "N",
            description = "Direct answers per question for the control distilled-system-1 (default: the number of "
            + "answers that vote on a label, which is the product of the numbers of --n; with --per-stage, the first "
            + "number of --n).")
    private int controlSamples;

    @Under(Heading.EVALUATION)
    @Option(names = "--test-system-2-after",
            description = "Evaluate the System 2 method with the distilled model too: does it still reason when asked "
            + "to? Costs as much as evaluating System 2 (default: no).")
    private boolean systemTwoAfter;

    @Under(Heading.EVALUATION)
    @Option(names = "--test-votes", split = ",", paramLabel = "K",
            description = "Majority vote of K answers per held-out question, such as 1,5,10: draws the largest K and "
            + "reports the vote of the first k answers for each k (default: 1).")
    private List<Integer> testVotes = List.of();

    @Under(Heading.EVALUATION)
    @Option(names = "--test-temperature", paramLabel = "T",
            description = "Temperature of the answers to held-out questions; above 0, --top-p and --top-k apply "
            + "(default: 0.7, not stated in the paper, if a number of --test-votes is above 1; else 0).")
    private Double testTemperature;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", paramLabel = "DIR",
            description = "Run folder (default: runs/ with the name of the recipe).")
    private Path output;

    @Under(Heading.OUTPUT)
    @Option(names = "--from", paramLabel = "RUN",
            description = "Reuse the stages of another run that do not depend on the changed flags, such as its "
            + "samples if only the training changes.")
    private Path fromRun;

    @Under(Heading.OUTPUT)
    @Option(names = "--dry-run",
            description = "Try a few questions, print the plan (calls, tokens, memory, time) and stop. If --model is a "
            + "config file of models/, try no question and print upper bounds.")
    private boolean dryRun;

    @Override
    public Integer call() {
        StageKind until = Words.choose("STAGE", stage, StageKind.class);
        if (output == null && recipe == null && !dryRun) {
            throw new InputException("--output: none, expected the run folder");
        }
        cluster.check();
        curation.remark().ifPresent(line -> System.err.println("ingrain: warning: " + line));
        teacher.check();
        if (dryRun) {
            cluster.requireNone("--dry-run");
            teacher.requireNone("--dry-run");
        }
        if (full && dryRun) {
            throw new InputException("--full: given with --dry-run, expected one of the two: the estimate is only for "
                    + "adapters");
        }
        if ((full || teacher.isFolder()) && cluster.given()) {
            throw new InputException("--cluster: given with " + (full ? "--full" : "a model folder as --teacher")
                    + ", expected one of the two: a cluster has one whole model");
        }
        importedSamples = InputFile.rereadable(importedSamples);
        testData = testData.stream().map(InputFile::rereadable).toList();
        Seeds<TunerConfig> runs = Seeds.of(folder(), Seeds.range(seed, seeds), this::config).with(until, fromRun)
                .keeping(this::flags);
        ModelOptions given = templateFlags.apply(modelFlags.options());
        if (full) {
            given.weights().requireNoCache();
        }
        ModelOptions options = dryRun && Files.isRegularFile(given.model()) ? given.withRandomWeights(0) : given;
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            TunerConfig train = runs.runs().getFirst().config().train();
            if (!dryRun) {
                return distil(DistillWorkers.of(engine, batch, cluster, teacher.open(engine,
                        DistillWorkers.properties(engine, batch), line -> System.err.println("ingrain: " + line)),
                        train), runs);
            }
            if (options.randomWeights()) {
                new Seeds<>(runs.runs(), null).check(null);
            } else {
                runs.check(DistillWorkers.provenance(engine, batch));
            }
            Recipe from = recipe == null ? null : Recipe.load(recipe);
            return new DryRun(engine, batch.config(engine), from, seeds).print(runs.runs().getFirst());
        }
    }

    /** Distils one model with all seeds and prints the result table. Returns the exit status. */
    static int distil(DistillWorkers workers, Seeds<TunerConfig> runs) {
        Provenance provenance = workers.provenance();
        runs.check(provenance);
        TunerConfig train = runs.runs().getFirst().config().train();
        try (Answerer answerer = workers.answerer(train);
                StageProgress progress = new StageProgress(train.optimizer().warmupSteps())) {
            Optional<Seeds.Result> result = runs.run(provenance, answerer, workers::tuner, progress, line -> {
                progress.close();
                System.err.println("ingrain: " + line);
            });
            progress.close();
            result.ifPresent(found -> {
                System.out.print(found.table());
                CommandSpec flags = CommandSpec.forAnnotatedObject(new DistillCommand());
                found.warnings().forEach(line -> System.err.println("warning: " + FlagNames.text(line, flags)));
                if (found.report() != null) {
                    System.err.println("report: " + found.report());
                }
            });
            return result.isPresent() ? 0 : NOTHING_KEPT;
        }
    }

    /** The run folder; null for a dry run if neither --output nor --recipe is given. */
    private Path folder() {
        return output != null || recipe == null ? output : Path.of(
                "runs", Path.of(recipe).getFileName().toString().replaceFirst("\\.json$", ""));
    }

    private DistillConfig<TunerConfig> config(long own) {
        SamplingParams params = SamplingParams.sampled(temperature, topP, maxTokens, own).withTopK(topK);
        return new DistillConfig<>(questions.config(testData, testSize), Methods.load(method),
                new SampleConfig(numbers(), params), curation.config(own),
                new TunerConfig(full ? null : training.lora(), training.optimizer(),
                        training.train(trainSeed(own))),
                evaluation(own), new TeachConfig(rounds, stages, teacher.given()), importedSamples);
    }

    /**
     * Samples per step. If answers are imported and --n is not given, there is one step. Its number of samples is the
     * largest number of answers that any question has.
     */
    private List<Integer> numbers() {
        return importedSamples == null || !samples.isEmpty() ? samples : List.of(ImportedAnswers.most(importedSamples));
    }

    /** The flags of the run whose seed is {@code own}. */
    private JsonNode flags(long own) {
        Map<String, Object> instead = new LinkedHashMap<>(Map.of("seed", own, "train-seed", trainSeed(own)));
        if (teacher.given()) {
            instead.put("teacher", teacher.value());
        }
        return RunFlags.of(spec.commandLine().getParseResult(), instead, Set.of("seeds"));
    }

    /** Seed of the training of the run with seed {@code own}. */
    private long trainSeed(long own) {
        return trainSeed == null ? own : trainSeed + (own - seed);
    }

    private EvaluateConfig evaluation(long own) {
        double drawn = testTemperature != null ? testTemperature : testVotes.stream().anyMatch(k -> k > 1)
                ? VOTING_TEMPERATURE : 0;
        SamplingParams params = drawn == 0 ? SamplingParams.greedy(maxTokens).withSeed(own)
                : SamplingParams.sampled(drawn, topP, maxTokens, own).withTopK(topK);
        return new EvaluateConfig(params, List.of(), questions.testOrders(),
                named(controls).stream().map(name -> Words.choose("--controls", name, Control.class)).toList(),
                testVotes,
                named(baselines).stream().map(name -> Methods.load("--baselines", name)).toList(), controlSamples,
                systemTwoAfter);
    }

    private static List<String> named(List<String> words) {
        return words.equals(List.of("none")) ? List.of() : words;
    }
}
