package org.ingrain.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.progress.StageProgress;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Outcome;
import org.ingrain.distill.Pipeline;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.report.Report;
import org.ingrain.distill.report.SeedsReport;
import org.ingrain.distill.task.Dataset;
import org.ingrain.engine.ModelOptions;
import org.ingrain.tensor.InputException;

/**
 * The same distillation with one seed after another, on one loaded model.
 *
 * @param output null where nothing is to be run; the run's folder where there is one seed; where there are more, {@code seed-K} of each is
 *               in it, and the table over them
 * @param seeds  at least one
 */
record Seeds(ModelOptions options, BatchFlags batch, Path output, List<Long> seeds) {
    private static final int MOST = 1000;

    /** {@code --seeds} of them, from the first on. */
    static List<Long> from(long first, int seeds) {
        if (seeds < 1 || seeds > MOST) {
            throw new InputException("--seeds: " + seeds + ", expected 1 to " + MOST);
        }
        if (first > Long.MAX_VALUE - seeds) {
            throw new InputException("--seed: " + first + ", expected at most " + (Long.MAX_VALUE - seeds) + " beside --seeds " + seeds);
        }
        return LongStream.range(first, first + seeds).boxed().toList();
    }

    /** Refuses what {@link #distil} would refuse before anything is asked. */
    void check(LongFunction<DistillConfig> config) {
        if (output == null) {
            seeds.stream().map(config::apply).forEach(own -> Pipeline.check(own, Dataset.load(own.data())));
            return;
        }
        if (seeds.size() > 1 && (Files.isRegularFile(output) || Files.exists(output.resolve("run.json")))) {
            throw new InputException(output + ": holds one run or is a file, expected a folder for the runs of " + seeds.size() + " seeds");
        }
        Provenance provenance = provenance();
        seeds.forEach(seed -> Pipeline.check(config.apply(seed), provenance, folder(seed)));
    }

    /** Runs what is not done yet and prints the table, over the seeds that kept something; the exit status. */
    int distil(LongFunction<DistillConfig> config) {
        check(config);
        Provenance provenance = provenance();
        List<Long> done = new ArrayList<>();
        List<Report> reports = new ArrayList<>();
        int rank = ((TunerConfig) config.apply(seeds.getFirst()).train()).lora().rank();
        try (Session session = Session.open(options, batch, rank)) {
            for (long seed : seeds) {
                switch (run(session, config.apply(seed), provenance, folder(seed))) {
                    case Outcome.Done ended -> {
                        done.add(seed);
                        reports.add(ended.report());
                    }
                    case Outcome.NothingKept nothing -> System.err.println("ingrain: " + (seeds.size() == 1 ? "" : "seed " + seed + ": ")
                            + nothing.line());
                }
            }
        }
        if (reports.isEmpty()) {
            return DistillCommand.NOTHING_KEPT;
        }
        if (seeds.size() == 1) {
            System.out.print(reports.getFirst().table());
            System.err.println("report: " + output.resolve("report.html"));
        } else {
            SeedsReport report = SeedsReport.of(done, reports, seeds.stream().filter(seed -> !done.contains(seed)).toList());
            report.write(output);
            System.out.print(report.text());
            System.err.println("report: " + output.resolve("seeds.md"));
        }
        return 0;
    }

    private static Outcome run(Session session, DistillConfig config, Provenance provenance, Path folder) {
        TunerConfig train = (TunerConfig) config.train();
        try (StageProgress progress = new StageProgress(train.optimizer().warmupSteps())) {
            return new Pipeline(config, provenance, session.answerer(), session.tuner(train, provenance.engine()), progress).run(folder);
        }
    }

    private Path folder(long seed) {
        return seeds.size() == 1 ? output : output.resolve("seed-" + seed);
    }

    private Provenance provenance() {
        return new Provenance(Provenances.version(), options.model(), Provenances.sampling(options, batch));
    }
}
