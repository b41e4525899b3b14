package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
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
 * Model, tuner and folder for the measurements of a {@link Forecast}, and the time limit of these measurements.
 *
 * @param tuner     makes a tuner for a number of rows per step; the tuner trains exactly {@link #STEPS} steps
 * @param folder    temporary folder
 * @param sequences number of sequences that the answerer computes at once
 * @param seconds   time limit for all trials together. Each stage has a share of this time. Its trials become larger
 *                  until the share is used; the first and smallest trial is always run
 * @param progress  called before the trials of each stage, with the name of the stage and the number of stages already
 *                  finished
 */
public record Trial(Answerer answerer, IntFunction<Tuner> tuner, Path folder, int sequences, double seconds,
        Progress progress) {
    /**
     * Number of optimizer steps in a trial. Only the steps between the first and the last are timed, because the first
     * step is slow and the last step writes a checkpoint.
     */
    public static final int STEPS = 3;

    private static final int FEWEST_TOKENS = 16;
    /**
     * Expected ratio of the durations of two successive trials: the later trial has twice as many questions, and its
     * limit on the length of the texts is twice as large.
     */
    private static final double GROWTH = 4;

    Measure begin(RunFolder run, int stages) {
        return new Measure(this, run, stages);
    }

    /**
     * The result of a trial of one stage.
     *
     * @param plan    the plan of the stage
     * @param cut     the plan of the trial: the plan of the stage with a lower limit on the length of the texts
     * @param file    file of the samples that the trial drew
     * @param asked   questions of the trial; each is asked in all its presentation orders
     * @param whole   number of questions of the whole stage; each presentation order counts as one question
     * @param seconds duration of the trial in seconds
     * @param rate    tokens per second of a full batch of short prompts
     */
    record Tried(Plan plan, Plan cut, Path file, List<Example> asked, long whole, double seconds, double rate) {
        /**
         * The estimate for the whole stage. The trial ended long texts early, so it generated fewer tokens than the
         * stage would generate for the same questions. The time for the missing tokens is calculated with {@code rate}.
         */
        Forecast.Row row(String name, long mostTexts) {
            List<SampleRecord> samples = JsonLines.read(file, SampleRecord.class);
            double share = (double) whole / asked.size();
            long drawn = samples.stream().mapToLong(SampleRecord::tokens).sum();
            double tokens = Math.max(drawn, tokens(samples));
            return new Forecast.Row(name, true, Math.round(samples.size() * share), whole * mostTexts, tokens * share,
                    (seconds + (tokens - drawn) / rate) * share, basis());
        }

        private String basis() {
            long questions = asked.stream().filter(Example::isAsGiven).count();
            return questions + (questions == 1 ? " question" : " questions")
                    + (cut.equals(plan) ? "" : ", cut at " + cut.steps().getLast().maxTokens() + " tokens");
        }

        /**
         * Expected number of tokens if the trial had cut no text. A cut text is assumed to end at each further token
         * with a constant probability, and at the step's maximum length at the latest. The probability is measured in
         * the trial for each step. If no text of a step ended in the trial, the cut texts of this step are assumed to
         * have the maximum length.
         */
        private double tokens(List<SampleRecord> samples) {
            Map<String, List<SampleRecord>> steps = new LinkedHashMap<>();
            samples.forEach(sample -> steps.computeIfAbsent(sample.step(), step -> new ArrayList<>()).add(sample));
            double tokens = 0;
            for (int i = 0; i < plan.steps().size(); i++) {
                List<SampleRecord> own = steps.getOrDefault(plan.steps().get(i).name(), List.of());
                long drawn = own.stream().mapToLong(SampleRecord::tokens).sum();
                int most = plan.steps().get(i).maxTokens();
                int cutAt = cut.steps().get(i).maxTokens();
                long ended = cutAt == most ? own.size()
                        : own.stream().filter(sample -> sample.finish() != Finish.LENGTH).count();
                double rest = ended == 0 ? most - cutAt
                        : (1 - Math.exp(-(double) ended / drawn * (most - cutAt))) * drawn / ended;
                tokens += drawn + (own.size() - ended) * rest;
            }
            return tokens;
        }
    }

    /** Runs trials and measures their durations. The files of all trials are written to one run folder. */
    static final class Measure {
        private final Trial trial;
        private final RunFolder run;
        private final long begun = System.nanoTime();
        private final int stages;
        private int stage;
        private int files;
        private double rate;

        private Measure(Trial trial, RunFolder run, int stages) {
            this.trial = trial;
            this.run = run;
            this.stages = stages;
        }

        /** Reports the stage that is tried next, and returns the seconds for its trials. */
        private double begin(String name) {
            trial.progress().at(new Progress.State(name, stage, stages, "stages", 0));
            return Math.max(0, trial.seconds() - since(begun)) / Math.max(1, stages - stage++);
        }

        /** Measures the speed of a full batch of samples of one question. */
        void warm(Plan direct, Example example) {
            begin("speed");
            Tried tried = time(direct.samples(trial.sequences()).cut(FEWEST_TOKENS / 2), Stopping.NEVER,
                    List.of(example));
            rate = JsonLines.read(tried.file(), SampleRecord.class).stream().mapToLong(SampleRecord::tokens).sum()
                    / tried.seconds();
        }

        /**
         * Runs trials on the questions and returns the last trial. Each trial has twice as many questions as the
         * previous trial, but at most all questions, and limits texts to twice as many tokens. A trial begins after the
         * last question of the previous trial, because prompts that are already in the prefix cache would take less
         * time. The trials end when a trial has asked all questions without cutting texts, or when the next trial would
         * probably exceed the stage's share of the time.
         *
         * @param orders maps a question to all its presentation orders
         * @param whole  number of questions of the whole stage; each presentation order counts as one question
         */
        Tried ask(String name, Plan plan, Stopping stopping, List<Example> questions,
                Function<Example, List<Example>> orders, long whole) {
            double seconds = begin(name);
            long start = System.nanoTime();
            int all = questions.size();
            int first = 0;
            int some = 1;
            int cut = Math.min(FEWEST_TOKENS, plan.longest());
            while (true) {
                List<Example> asked = IntStream.range(first, first + some).mapToObj(i -> questions.get(i % all))
                        .flatMap(example -> orders.apply(example).stream()).toList();
                Tried tried = time(plan.cut(cut), stopping, asked);
                if (some == all && cut >= plan.longest() || since(start) + GROWTH * tried.seconds() > seconds) {
                    return new Tried(plan, tried.cut(), tried.file(), asked, whole, tried.seconds(), rate);
                }
                first += some;
                some = Math.min(all, 2 * some);
                cut = Math.min(plan.longest(), 2 * cut);
            }
        }

        private Tried time(Plan plan, Stopping stopping, List<Example> asked) {
            Path file = file("samples");
            long start = System.nanoTime();
            new Sampling(plan, stopping, asked, trial.answerer()).run(file,
                    new Stopwatch("try", "samples", run.log(), Progress.SILENT));
            return new Tried(plan, plan, file, asked, asked.size(), since(start), rate);
        }

        /**
         * The measured speed of training.
         *
         * @param seconds duration of a step in seconds, divided by the number of tokens in the rows of the step
         * @param basis   what was measured
         */
        record Speed(double seconds, String basis) {
        }

        /**
         * Measures the speed of optimizer steps. The first measurement has one row per step. Each further measurement
         * has four times as many rows per step as the previous one, but at most {@code batch} rows. The measurements
         * end after the measurement with {@code batch} rows, or when the next measurement would probably exceed the
         * stage's share of the time. Returns the speed of the last measurement, whose steps have the most rows.
         */
        Speed step(String name, List<TrainingRow> rows, int batch) {
            double seconds = begin(name);
            long begun = System.nanoTime();
            int size = 1;
            while (true) {
                List<TrainingRow> some = IntStream.range(0, size * STEPS).mapToObj(i -> rows.get(i % rows.size()))
                        .toList();
                Path train = file("rows");
                JsonLines.write(train, some);
                long start = System.nanoTime();
                long[] ends = new long[STEPS + 1];
                Tuner tuner = trial.tuner().apply(size);
                tuner.tune(new Tuner.Job(train, file("none"), file("training"), "train", null),
                        state -> ends[(int) state.done()] = System.nanoTime());
                if (size == batch || since(begun) + GROWTH * since(start) > seconds) {
                    double tokens = some.stream().mapToInt(tuner::tokens).average().orElseThrow() * size;
                    return new Speed((ends[STEPS - 1] - ends[1]) / 1e9 / (STEPS - 2) / tokens,
                            String.format(Locale.ROOT, "%d of %d rows", size, batch));
                }
                size = Math.min(batch, 4 * size);
            }
        }

        private Path file(String name) {
            return run.file(name + " " + files++);
        }

        private static double since(long start) {
            return (System.nanoTime() - start) / 1e9;
        }
    }
}
