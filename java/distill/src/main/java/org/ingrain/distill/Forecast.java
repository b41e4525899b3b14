package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Ledger.TrainingRow;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.run.JsonLines;
import org.ingrain.distill.run.Manifest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Sample;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.sample.Weights;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.train.Tuner;

/**
 * What a run would do and cost, measured on a few of its own questions on this machine.
 *
 * @param stages in the order in which they would run
 */
public record Forecast(List<Stage> stages) {
    /**
     * One stage.
     *
     * @param calls   texts that the model would generate, or optimizer steps
     * @param most    texts if no vote ended early
     * @param tokens  generated, or trained on
     * @param seconds that it would take
     */
    public record Stage(String name, long calls, long most, double tokens, double seconds) {
    }

    /**
     * What the forecast is made with.
     *
     * @param tuner  trains three steps of the run's batch size
     * @param rows   of such a batch
     * @param steps  that the run would train, were every question kept
     * @param folder that may be thrown away
     * @param probes questions that are tried
     */
    public record Trial(Answerer answerer, Tuner tuner, int rows, int steps, Path folder, int probes) {
        private static final int STEPS = 3;

        /** Steps that the tuner should train. */
        public static int trialSteps() {
            return STEPS;
        }
    }

    /** What a way of asking costs for one question. */
    private record Cost(double calls, double tokens, double seconds) {
        Stage stage(String name, int questions, long most) {
            return new Stage(name, Math.round(calls * questions), most, tokens * questions, seconds * questions);
        }
    }

    /** Tries each way of asking on the first questions, and training on as many rows. */
    public static Forecast of(DistillConfig config, Dataset data, Trial trial) {
        Maker maker = new Maker(config, config.data().makeTask(), data, trial);
        try (RunFolder run = RunFolder.open(trial.folder().resolve("run"), Manifest.of(List.of(), List.of()))) {
            return new Forecast(maker.stages(run));
        }
    }

    private record Maker(DistillConfig config, Task task, Dataset data, Trial trial) {
        List<Stage> stages(RunFolder run) {
            Method direct = Methods.direct();
            Student main = new Student("distilled", "", "", "", config.method(), config.curation(), new Weights.Base(), 1);
            Plan plan = Round.plan(config, task, main);
            int pool = data.pool().size();
            List<Stage> stages = new ArrayList<>();
            Stopping stopping = new Curation(config.curation(), task, config.method(), plan).stopping();
            Cost sampling = ask(run, "sample", plan, stopping);
            stages.add(sampling.stage("sample", pool, most(plan, pool)));
            boolean control = config.evaluate().controls().contains(Control.DISTILLED_SYSTEM_1);
            if (control) {
                Plan own = Round.plan(config, task, new Student("", "", "", "", direct, config.curation(), new Weights.Base(), 1));
                Stopping early = new Curation(config.curation(), task, direct, own).stopping();
                stages.add(ask(run, "control", own, early).stage("sample distilled-system-1", pool, most(own, pool)));
            }
            int students = 1 + config.evaluate().controls().size();
            stages.add(training(students * (1 + config.teach().stages())));
            if (!data.test().isEmpty()) {
                int test = data.test().size();
                Cost slow = ask(run, "system-2", evaluated(config.method()), Stopping.NEVER);
                Cost quick = ask(run, "system-1", evaluated(direct), Stopping.NEVER);
                stages.add(slow.stage("evaluate system-2", test, most(evaluated(config.method()), test)));
                stages.add(quick.stage("evaluate system-1 and " + students + (students == 1 ? " student" : " students"), test * (1 + students),
                        most(evaluated(direct), test * (1 + students))));
            }
            return stages;
        }

        private Plan evaluated(Method method) {
            SampleConfig once = new SampleConfig(List.of(1), config.evaluate().params(), 1);
            return method.plan(task, once, "evaluate", new Weights.Base());
        }

        private static long most(Plan plan, int questions) {
            long texts = 0;
            long level = 1;
            for (Plan.PlannedStep step : plan.steps()) {
                level *= step.samples();
                texts += level;
            }
            return texts * questions;
        }

        private Cost ask(RunFolder run, String name, Plan plan, Stopping stopping) {
            List<Example> probes = data.pool().subList(0, Math.min(trial.probes(), data.pool().size()));
            Path file = run.file(name + ".jsonl");
            long begun = System.nanoTime();
            new Sampling(plan, stopping, probes, trial.answerer()).run(file, new Stopwatch(name, "samples", run.log(), Progress.SILENT));
            double seconds = (System.nanoTime() - begun) / 1e9;
            List<Sample> samples = JsonLines.read(file, Sample.class);
            double n = probes.size();
            return new Cost(samples.size() / n, samples.stream().mapToLong(Sample::tokens).sum() / n, seconds / n);
        }

        /** Three steps on the first questions, with a word for an answer. */
        private Stage training(int trainings) {
            List<TrainingRow> rows = new ArrayList<>();
            for (int i = 0; i < trial.rows() * Trial.STEPS; i++) {
                Example example = data.pool().get(i % data.pool().size());
                rows.add(new TrainingRow(evaluated(Methods.direct()).firstPrompt(example), example.known().orElse("yes")));
            }
            Path train = trial.folder().resolve("train.jsonl");
            JsonLines.write(train, rows);
            double[] rate = {0};
            long begun = System.nanoTime();
            Tuner.Tuned tuned = trial.tuner().tune(new Tuner.Job(train, trial.folder().resolve("none.jsonl"), trial.folder().resolve("training"),
                    "train", null), state -> rate[0] = state.rate());
            double seconds = (System.nanoTime() - begun) / 1e9 / tuned.steps() * trial.steps() * trainings;
            long steps = (long) trial.steps() * trainings;
            return new Stage("train " + trainings + (trainings == 1 ? " time" : " times"), steps, steps, rate[0] * seconds, seconds);
        }
    }
}
