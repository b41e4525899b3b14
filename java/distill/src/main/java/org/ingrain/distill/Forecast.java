package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Ledger.TrainingRow;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.method.UniversalSelfConsistency;
import org.ingrain.distill.run.JsonLines;
import org.ingrain.distill.run.Manifest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.Answers;
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
import org.ingrain.tensor.InputException;

/**
 * What a run would do and cost, measured on a few of its own questions on this machine.
 *
 * @param stages in the order in which they would run, but that those of later rounds stand with the first round's
 * @param rows   of the training and of every question that may be kept, for its memory
 */
public record Forecast(List<Stage> stages, Path rows) {
    /**
     * One stage.
     *
     * @param asks    whether the model is asked; else it is trained
     * @param calls   texts that the model would generate, or optimizer steps
     * @param most    texts if no vote ended early and every text had as many parts as it can have
     * @param tokens  generated, or trained on
     * @param seconds that it would take
     */
    public record Stage(String name, boolean asks, long calls, long most, double tokens, double seconds) {
    }

    /**
     * What the forecast is made with.
     *
     * @param tuner    trains three steps of the run's batch size
     * @param rows     of such a batch
     * @param epochs   of the run
     * @param maxSteps of the run, instead of epochs; 0 for none
     * @param folder   that may be thrown away
     * @param probes   questions that are tried
     */
    public record Trial(Answerer answerer, Tuner tuner, int rows, int epochs, int maxSteps, Path folder, int probes) {
        private static final int STEPS = 3;

        /** Steps that the tuner should train. */
        public static int trialSteps() {
            return STEPS;
        }

        /** Of a training on so many rows. */
        private long steps(long trained) {
            return maxSteps > 0 ? maxSteps : Math.ceilDiv(trained, (long) rows) * epochs;
        }
    }

    /** Tries each way of asking on the first questions, and training on as many rows. */
    public static Forecast of(DistillConfig config, Dataset data, Trial trial) {
        Task task = config.data().makeTask();
        try (RunFolder run = RunFolder.open(trial.folder().resolve("run"), Manifest.of(List.of(), List.of()))) {
            Path rows = run.file("rows.jsonl");
            return new Forecast(new Maker(config, task, data, trial, run).stages(rows), rows);
        }
    }

    /**
     * Some questions that were asked, and how many there are in all.
     *
     * @param file  of the samples
     * @param asked in all orders
     * @param whole questions of the stage, in all orders
     */
    private record Tried(Path file, List<Example> asked, long whole, double seconds) {
        Stage stage(String name, int times, long texts) {
            List<Sample> samples = JsonLines.read(file, Sample.class);
            double share = (double) whole * times / asked.size();
            return new Stage(name, true, Math.round(samples.size() * share), whole * times * texts,
                    samples.stream().mapToLong(Sample::tokens).sum() * share, seconds * share);
        }
    }

    private record Maker(DistillConfig config, Task task, Dataset data, Trial trial, RunFolder run) {
        List<Stage> stages(Path rows) {
            List<Student> students = Student.first(config);
            Student main = students.getFirst();
            List<Stage> stages = new ArrayList<>();
            Tried answered = teach(main, stages);
            students.stream().filter(student -> !student.samples().equals(main.samples())).forEach(student -> teach(student, stages));
            stages.add(training(students, answered, rows));
            if (!data.test().isEmpty()) {
                evaluate(students.size() - 1 + config.teach().rounds(), stages);
            }
            return stages;
        }

        /** Sampling and, where the rule wants it, selection; of the main student in every round. */
        private Tried teach(Student student, List<Stage> stages) {
            boolean first = student.folder().isEmpty();
            int times = first ? config.teach().rounds() : 1;
            String behind = times == 1 ? "" : ", " + times + " rounds";
            Plan plan = Round.plan(config, task, student);
            Stopping stopping = new Curation(config.curation(), task, student.method(), plan).stopping();
            Tried tried = ask(student.name(), new Sampling(plan, stopping, probes(data.pool(), config.curation().orders()), trial.answerer()),
                    data.pool(), config.curation().orders());
            stages.add(tried.stage(student.stage("sample") + behind, times, texts(student.method(), plan)));
            if (student.curation().rule() == Rule.UNIVERSAL) {
                UniversalSelfConsistency universal = new UniversalSelfConsistency(task, student.method());
                Sampling select = new Sampling(universal.plan(config.sample(), student.teacher()), Stopping.NEVER,
                        universal.questions(tried.file(), tried.asked()), trial.answerer());
                stages.add(ask("select " + student.name(), select, data.pool(), 1).stage(student.stage("select") + behind, times, 1));
            }
            return tried;
        }

        private void evaluate(int students, List<Stage> stages) {
            Evaluation evaluation = new Evaluation(config.evaluate(), task, data.test());
            int rounds = config.teach().rounds();
            stages.add(evaluate(evaluation, config.method(), "system-2" + (rounds == 1 ? "" : " of " + rounds + " rounds"), rounds));
            config.evaluate().baselines().forEach(method -> stages.add(evaluate(evaluation, method, "baseline-" + method.name(), 1)));
            stages.add(evaluate(evaluation, Methods.direct(), "system-1 and " + students + (students == 1 ? " student" : " students"), 1 + students));
        }

        private Stage evaluate(Evaluation evaluation, Method method, String arm, int times) {
            int orders = config.evaluate().orders();
            Plan plan = evaluation.plan(method, new Weights.Base());
            Sampling sampling = new Sampling(plan, Stopping.NEVER, probes(data.test(), orders), trial.answerer());
            return ask("evaluate " + method.name(), sampling, data.test(), orders).stage("evaluate " + arm, times, texts(method, plan));
        }

        private List<Example> probes(List<Example> questions, int orders) {
            return questions.subList(0, Math.min(trial.probes(), questions.size())).stream()
                    .flatMap(example -> task.orders(example, orders).stream()).toList();
        }

        private Tried ask(String name, Sampling sampling, List<Example> questions, int orders) {
            Path file = run.file(name + ".jsonl");
            long begun = System.nanoTime();
            sampling.run(file, new Stopwatch(name, "samples", run.log(), Progress.SILENT));
            return new Tried(file, probes(questions, orders), asked(questions, orders), (System.nanoTime() - begun) / 1e9);
        }

        private long asked(List<Example> questions, int orders) {
            return questions.stream().mapToLong(example -> task.orders(example, orders).size()).sum();
        }

        /** Of one question in one order, at the most. */
        private static long texts(Method method, Plan plan) {
            long texts = 0;
            long level = 1;
            for (Plan.PlannedStep step : plan.steps()) {
                level *= step.each() == null ? step.samples() : method.branching().mostParts();
                texts += level;
            }
            return texts;
        }

        /** Three steps on what was answered; were every question kept, each student would train so many. */
        private Stage training(List<Student> students, Tried answered, Path all) {
            List<TrainingRow> tried = lessons(answered);
            List<TrainingRow> rows = new ArrayList<>();
            for (int i = 0; i < trial.rows() * Trial.STEPS; i++) {
                rows.add(tried.get(i % tried.size()));
            }
            Path train = run.file("train.jsonl");
            JsonLines.write(train, rows);
            data.pool().stream().map(example -> row(example, known(example))).filter(trial.tuner()::fits).forEach(rows::add);
            JsonLines.write(all, rows);
            double[] rate = {0};
            long begun = System.nanoTime();
            Tuner.Tuned tuned = trial.tuner().tune(new Tuner.Job(train, run.file("none.jsonl"), run.file("training"), "train", null),
                    state -> rate[0] = state.rate());
            double each = (System.nanoTime() - begun) / 1e9 / tuned.steps();
            int trainings = 0;
            long steps = 0;
            for (Student student : students) {
                int times = (student.folder().isEmpty() ? config.teach().rounds() : 1)
                        * (1 + (student.method().equals(Methods.direct()) ? 0 : config.teach().stages()));
                trainings += times;
                steps += times * trial.steps(rows(student));
            }
            return new Stage("train " + trainings + (trainings == 1 ? " time" : " times"), false, steps, steps, rate[0] * each * steps, each * steps);
        }

        /** Rows of a student's training, were every question kept: one for each order, or for each sample where all are taught. */
        private long rows(Student student) {
            int pool = data.pool().size();
            long kept = pool - (int) (pool * config.curation().validationFraction());
            Rule rule = student.curation().rule();
            return rule == Rule.ALL ? kept * Round.plan(config, task, student).leaves()
                    : rule.votes() ? kept * asked(data.pool(), config.curation().orders()) / pool : kept;
        }

        /** What the student would be taught by the first answer of each question that was tried. */
        private List<TrainingRow> lessons(Tried answered) {
            boolean whole = config.curation().target() == Target.RESPONSE || config.teach().stages() > 0;
            List<TrainingRow> rows = new ArrayList<>();
            Answers.each(answered.file(), answered.asked(), (example, answers) -> {
                List<Answers.Chain> chains = answers.chains(config.method().depth());
                String said = whole && !chains.isEmpty() ? config.method().lastWord(chains.getFirst()).strip() : "";
                rows.add(row(example, said.isEmpty() ? known(example) : said));
            });
            rows.removeIf(row -> !trial.tuner().fits(row));
            if (rows.isEmpty()) {
                throw new InputException("none of the " + answered.asked().size() + " questions tried is short enough to be trained on");
            }
            return rows;
        }

        private TrainingRow row(Example example, String completion) {
            SampleConfig once = new SampleConfig(List.of(1), config.sample().params(), config.sample().seed());
            return new TrainingRow(Methods.direct().plan(task, once, "sample", new Weights.Base()).firstPrompt(example), completion);
        }

        private static String known(Example example) {
            return example.known().orElse("yes");
        }
    }
}
