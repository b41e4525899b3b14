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
 * Model, tuner and folder that a {@link Forecast} measures with.
 *
 * @param tuner     trains {@link #STEPS} steps of the run's batch size
 * @param folder    temporary folder
 * @param sequences number of sequences that the answerer computes at once; a trial draws at least as many
 */
public record Trial(Answerer answerer, Tuner tuner, Path folder, int sequences) {
    /** The first step is slow, and the last one writes a checkpoint. Only the steps between are timed. */
    public static final int STEPS = 4;

    /** Warm-up time: until then the JVM still compiles and the measured speed is too low. */
    private static final double WARM_SECONDS = 3;
    /** The shortest time to estimate from, if there are enough questions. */
    private static final double LONG_SECONDS = 1;
    private static final int FEWEST_QUESTIONS = 4;

    Measure begin(RunFolder run) {
        return new Measure(this, run);
    }

    /**
     * A trial of one stage.
     *
     * @param file    file of the samples
     * @param asked   questions of the trial, in all orders
     * @param whole   number of questions of the whole stage, in all orders
     * @param seconds time of the trial
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

    /** Measures in a run folder. */
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
         * Asks some questions. Then repeats this with other questions, twice as many each time. It stops when the
         * program is warm and the last trial took long enough, or when a trial had all questions. It takes other
         * questions because prompts in the prefix cache cost less.
         *
         * @param orders all orders of a question
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

        /** @param whole number of questions of the whole stage, in all orders */
        Tried time(Sampling sampling, List<Example> asked, long whole) {
            Path file = file("samples");
            long start = System.nanoTime();
            sampling.run(file, new Stopwatch("try", "samples", run.log(), Progress.SILENT));
            return new Tried(file, asked, whole, since(start));
        }

        /**
         * Measures the seconds per optimizer step. Trains on rows for {@link #STEPS} steps, again and again until the
         * JVM is warm, and returns the median.
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
