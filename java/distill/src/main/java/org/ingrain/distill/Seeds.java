package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.model.TunerSettings;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.SeedsReport;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Runs the same distillation with several seeds, one after another, on one loaded model.
 *
 * @param runs   the runs, one for each seed; at least one run
 * @param until  the last kind of stage to execute
 * @param from   the folder from which stages are taken over: a run folder, or a folder that contains the run folders of
 *               several seeds; null: no stage is taken over
 * @param output the run folder if there is one seed. If there are several seeds, a folder that contains a run folder
 *               {@code seed-K} for each seed, and the table over all seeds. Null for a dry run
 */
public record Seeds<T extends TunerSettings>(List<Run<T>> runs, Path output, StageKind until, Path from) {
    private static final int MOST = 1000;

    /** @param recipe flags of the run as a recipe, or null; see {@link Pipeline.Goal} */
    public record Run<T extends TunerSettings>(long seed, DistillConfig<T> config, Dataset data, JsonNode recipe) {
    }

    /**
     * The combined result of the runs.
     *
     * @param table    result as text for a terminal
     * @param report   file of the full report; null if the report stage was not executed
     * @param warnings reasons to doubt the result, one line each
     */
    public record Result(String table, Path report, List<String> warnings) {
    }

    /** All stages of these runs. No stage is taken over. */
    public Seeds(List<Run<T>> runs, Path output) {
        this(runs, output, StageKind.REPORT, null);
    }

    /**
     * A copy that ends after stages of kind {@code last} and takes over stages from {@code other}, if {@code other} is
     * not null.
     */
    public Seeds<T> with(StageKind last, Path other) {
        return new Seeds<>(runs, output, last, other);
    }

    /** A copy in which each run keeps the flags of its seed as a recipe. */
    public Seeds<T> keeping(LongFunction<JsonNode> recipes) {
        return new Seeds<>(runs.stream().map(run -> new Run<>(run.seed(), run.config(), run.data(),
                recipes.apply(run.seed()))).toList(), output, until, from);
    }

    /** The seeds {@code first}, {@code first + 1} and so on. */
    public static List<Long> range(long first, int seeds) {
        if (seeds < 1 || seeds > MOST) {
            throw InputException.field("seeds", seeds + ", expected 1 to " + MOST);
        }
        if (first > Long.MAX_VALUE - seeds) {
            throw InputException.field("seed", first + ", expected at most " + (Long.MAX_VALUE - seeds)
                    + " for " + seeds + " seeds");
        }
        return LongStream.range(first, first + seeds).boxed().toList();
    }

    /** Makes the runs of the seeds. Seeds with equal data settings share one dataset, which is read once. */
    public static <T extends TunerSettings> Seeds<T> of(
            Path output, List<Long> seeds, LongFunction<DistillConfig<T>> settings) {
        Map<QuestionConfig, Dataset> read = new HashMap<>();
        List<Run<T>> runs = new ArrayList<>();
        for (long seed : seeds) {
            DistillConfig<T> config = settings.apply(seed);
            runs.add(new Run<>(seed, config, read.computeIfAbsent(config.data(), Dataset::load), null));
        }
        return new Seeds<>(runs, output);
    }

    /** Throws the errors that {@link #run} would throw before it asks the first question. */
    public void check(Provenance provenance) {
        if (output == null) {
            runs.forEach(run -> Pipeline.check(run.config(), run.data()));
            return;
        }
        if (runs.size() > 1 && (Files.isRegularFile(output) || Files.exists(output.resolve("run.json")))) {
            throw new InputException(output + ": a file or the folder of one run, expected a folder for the runs of "
                    + runs.size() + " seeds");
        }
        runs.forEach(run -> Pipeline.check(run.config(), run.data(), provenance, goal(run)));
    }

    /**
     * Starts or resumes all runs.
     *
     * @param tuner       makes a tuner for the training settings of a run
     * @param nothingKept receives one line for each run whose curation kept no example
     * @return the combined result of the runs whose curation kept an example; empty if there is no such run
     */
    public Optional<Result> run(Provenance provenance, Answerer answerer, Function<T, Tuner> tuner, Progress progress,
                                Consumer<String> nothingKept) {
        List<Long> done = new ArrayList<>();
        List<Long> empty = new ArrayList<>();
        List<Report> reports = new ArrayList<>();
        StringBuilder paused = new StringBuilder();
        for (Run<T> run : runs) {
            Pipeline.Workers workers = new Pipeline.Workers(answerer, tuner.apply(run.config().train()));
            switch (new Pipeline(run.config(), run.data(), provenance, workers, progress).run(goal(run))) {
                case Outcome.Done ended -> {
                    done.add(run.seed());
                    reports.add(ended.report());
                }
                case Outcome.NothingKept nothing -> {
                    empty.add(run.seed());
                    nothingKept.accept(named(run) + nothing.line());
                }
                case Outcome.Paused stage -> paused.append(named(run)).append(stage.line()).append('\n');
            }
        }
        if (!paused.isEmpty()) {
            return Optional.of(new Result(paused.toString(), null, List.of()));
        }
        return reports.isEmpty() ? Optional.empty() : Optional.of(result(done, reports, empty));
    }

    private Result result(List<Long> done, List<Report> reports, List<Long> empty) {
        if (runs.size() == 1) {
            return new Result(reports.getFirst().table(), output.resolve("report.html"), lines(reports.getFirst(), ""));
        }
        SeedsReport report = SeedsReport.of(done, reports, empty);
        report.write(output);
        List<String> warnings = new ArrayList<>();
        for (int i = 0; i < reports.size(); i++) {
            warnings.addAll(lines(reports.get(i), "seed " + done.get(i) + ": "));
        }
        return new Result(report.text(), output.resolve("seeds.md"), warnings);
    }

    private static List<String> lines(Report report, String before) {
        return report.warnings().stream().map(warning -> before + warning.line()).toList();
    }

    private String named(Run<T> run) {
        return runs.size() == 1 ? "" : "seed " + run.seed() + ": ";
    }

    private Pipeline.Goal goal(Run<T> run) {
        String name = "seed-" + run.seed();
        Path other = from != null && Files.exists(from.resolve(name)) ? from.resolve(name) : from;
        return new Pipeline.Goal(runs.size() == 1 ? output : output.resolve(name), until, other, run.recipe());
    }
}
