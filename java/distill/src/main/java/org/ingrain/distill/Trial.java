package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.files.JsonLines;

/**
 * Model, tuner and folder for the measurements of a {@link Forecast}.
 *
 * @param tuner     a tuner that trains exactly {@link #STEPS} steps with the run's batch size
 * @param folder    temporary folder
 * @param sequences number of sequences that the answerer computes at once; a trial draws at least this number of
 *                  samples, if there are enough questions
 */
public record Trial(Answerer answerer, Tuner tuner, Path folder, int sequences) {
    /**
     * Number of optimizer steps in a trial. Only the steps between the first and the last are timed, because the first
     * step is slow and the last step writes a checkpoint.
     */
    public static final int STEPS = 4;

    /** Warm-up time in seconds. During this time the JVM still compiles, so that a measured speed would be too low. */
    private static final double WARM_SECONDS = 3;
    /**
     * Minimum duration, in seconds, of a trial that an estimate is based on. The duration may be shorter if there are
     * too few questions.
     */
    private static final double LONG_SECONDS = 1;
    private static final int FEWEST_QUESTIONS = 4;

    Measure begin(RunFolder run) {
        return new Measure(this, run);
    }

    /**
     * The result of a trial of one stage.
     *
     * @param file    file of the samples that the trial drew
     * @param asked   questions of the trial; each is asked in all its presentation orders
     * @param whole   number of questions of the whole stage; each presentation order counts as one question
     * @param seconds duration of the trial in seconds
     */
    record Tried(Path file, List<Example> asked, long whole, double seconds) {
        /** The estimate for the whole stage. */
        Forecast.Row row(String name, long mostTexts) {
            List<SampleRecord> samples = JsonLines.read(file, SampleRecord.class);
            double share = (double) whole / asked.size();
            return new Forecast.Row(name, true, Math.round(samples.size() * share), whole * mostTexts,
                    samples.stream().mapToLong(SampleRecord::tokens).sum() * share, seconds * share);
        }
    }

    /** Runs trials and measures their durations. The files of all trials are written to one run folder. */
    static final class Measure {
        private final Trial trial;
        private final RunFolder run;
        private final long begun = System.nanoTime();
        private int files;

        private Measure(Trial trial, RunFolder run) {
            this.trial = trial;
            this.run = run;
        }

        /**
         * Runs trials on the questions and returns the last trial. Each trial has twice as many questions as the
         * previous trial, but at most all questions. A trial begins with the question after the last question of the
         * previous trial, because prompts that are already in the prefix cache cost less. The last trial is the first
         * trial that contains all questions, or that ends after the warm-up time and takes at least
         * {@link #LONG_SECONDS}.
         *
         * @param orders maps a question to all its presentation orders
         */
        Tried ask(Plan plan, Stopping stopping, List<Example> questions, Function<Example, List<Example>> orders) {
            int all = questions.size();
            List<Example> whole = questions.stream().flatMap(example -> orders.apply(example).stream()).toList();
            int first = 0;
            int some = Math.min(all, Math.max(FEWEST_QUESTIONS,
                    Math.ceilDiv(trial.sequences() * all, plan.steps().getFirst().samples() * whole.size())));
            while (true) {
                List<Example> asked = IntStream.range(first, first + some).mapToObj(i -> questions.get(i % all))
                        .flatMap(example -> orders.apply(example).stream()).toList();
                Tried tried = time(new Sampling(plan, stopping, asked, trial.answerer()), asked, whole.size());
                if (some == all || since(begun) >= WARM_SECONDS && tried.seconds() >= LONG_SECONDS) {
                    return tried;
                }
                first += some;
                some = Math.min(all, 2 * some);
            }
        }

        /** @param whole number of questions of the whole stage; each presentation order counts as one question */
        Tried time(Sampling sampling, List<Example> asked, long whole) {
            Path file = file("samples");
            long start = System.nanoTime();
            sampling.run(file, new Stopwatch("try", "samples", run.log(), Progress.SILENT));
            return new Tried(file, asked, whole, since(start));
        }

        /**
         * Measures the seconds per optimizer step. Repeats a training of {@link #STEPS} steps on the rows until the
         * warm-up time has passed, and returns the median of the repetitions.
         */
        double step(List<TrainingRow> rows) {
            Path train = file("rows");
            JsonLines.write(train, rows);
            long start = System.nanoTime();
            List<Double> passes = new ArrayList<>();
            do {
                long[] ends = new long[STEPS + 1];
                trial.tuner().tune(new Tuner.Job(train, file("none"), file("training"), "train", null),
                        state -> ends[(int) state.done()] = System.nanoTime());
                passes.add((ends[STEPS - 1] - ends[1]) / 1e9 / (STEPS - 2));
            } while (since(start) < WARM_SECONDS);
            return passes.stream().sorted().toList().get(passes.size() / 2);
        }

        private Path file(String name) {
            return run.file(name + " " + files++);
        }

        private static double since(long start) {
            return (System.nanoTime() - start) / 1e9;
        }
    }
}
