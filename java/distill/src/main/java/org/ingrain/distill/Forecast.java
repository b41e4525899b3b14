package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Ledger.TrainingRow;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.method.UniversalSelfConsistency;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.train.Tuner;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;

/**
 * What a run would do and cost, measured on a few of its own questions on this machine.
 *
 * @param stages  in the order in which they would run, but that those of later rounds stand with the first round's
 * @param tried   questions to distil on that the figures of the sampling are of
 * @param tooLong questions to distil on that are too long for the training, with the shortest answer; they are not in the plan of it
 * @param rows    of the training and of every question that may be kept, for its memory
 */
public record Forecast(List<Stage> stages, int tried, int tooLong, Path rows) {
    /** After so many seconds of one kind of work, a program that has just been started goes as fast as it will. */
    private static final double WARM_SECONDS = 3;
    /** A time that is worth telling of. */
    private static final double LONG_SECONDS = 1;

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
     * @param tuner     trains a few steps of the run's batch size
     * @param tokens    of a row as the tuner sees it
     * @param rows      of a batch
     * @param epochs    of the run
     * @param maxSteps  of the run, instead of epochs; 0 for none
     * @param folder    that may be thrown away
     * @param sequences that the answerer works on at a time: so many are tried
     */
    public record Trial(Answerer answerer, Tuner tuner, ToIntFunction<TrainingRow> tokens, int rows, int epochs, int maxSteps,
                        Path folder, int sequences) {
        /** The first step is slower than others, the last one ends with a checkpoint: those between are on the clock. */
        private static final int STEPS = 4;
        private static final int FEWEST_QUESTIONS = 4;

        /** Steps that the tuner should train. */
        public static int trialSteps() {
            return STEPS;
        }

        /** Of a training on so many rows. */
        private long steps(long trained) {
            return maxSteps > 0 ? maxSteps : Math.ceilDiv(trained, (long) rows) * epochs;
        }

        /** Enough that the batch is as full as it would be. */
        private int questions(Plan plan, int orders) {
            return Math.max(FEWEST_QUESTIONS, Math.ceilDiv(sequences, plan.steps().getFirst().samples() * orders));
        }
    }

    /** Tries each way of asking on some questions, and training on what they are answered. */
    public static Forecast of(DistillConfig config, Dataset data, Trial trial) {
        Task task = config.data().makeTask();
        try (RunFolder run = RunFolder.open(trial.folder().resolve("run"), Manifest.of(List.of(), List.of()))) {
            return new Maker(config, task, data, trial, run, System.nanoTime()).forecast();
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
            List<SampleRecord> samples = JsonLines.read(file, SampleRecord.class);
            double share = (double) whole * times / asked.size();
            return new Stage(name, true, Math.round(samples.size() * share), whole * times * texts,
                    samples.stream().mapToLong(SampleRecord::tokens).sum() * share, seconds * share);
        }
    }

    /** @param begun when, by {@link System#nanoTime()} */
    private record Maker(DistillConfig config, Task task, Dataset data, Trial trial, RunFolder run, long begun) {
        Forecast forecast() {
            List<Student> students = Student.first(config);
            Student main = students.getFirst();
            List<Stage> stages = new ArrayList<>();
            Tried answered = teach(main, stages);
            students.stream().filter(student -> !student.samples().equals(main.samples())).forEach(student -> teach(student, stages));
            List<Example> fitting = data.pool().stream().filter(example -> trial.tuner().fits(row(example, known(example)))).toList();
            if (fitting.isEmpty()) {
                throw new InputException(data.pool().size() + " questions to distil on: none fits into the model's context with its answer");
            }
            Path rows = run.file("rows.jsonl");
            stages.add(training(students, fitting, lessons(answered, fitting), rows));
            if (!data.test().isEmpty()) {
                evaluate(students.size() - 1 + config.teach().rounds(), stages);
            }
            int tried = (int) answered.asked().stream().filter(Example::isAsGiven).count();
            return new Forecast(stages, tried, data.pool().size() - fitting.size(), rows);
        }

        /** Sampling and, where the rule wants it, selection; of the main student in every round. */
        private Tried teach(Student student, List<Stage> stages) {
            boolean first = student.folder().isEmpty();
            int times = first ? config.teach().rounds() : 1;
            String behind = times == 1 ? "" : ", " + times + " rounds";
            Plan plan = Round.plan(config, task, student);
            Stopping stopping = new Curation(config.curation(), task, student.method(), plan).stopping();
            Tried tried = ask(student.name(), plan, stopping, data.pool(), config.curation().orders());
            stages.add(tried.stage(student.stage("sample") + behind, times, texts(student.method(), plan)));
            if (student.curation().rule() == Rule.UNIVERSAL) {
                UniversalSelfConsistency universal = new UniversalSelfConsistency(task, student.method());
                List<Example> questions = universal.questions(tried.file(), tried.asked());
                Sampling select = new Sampling(universal.plan(config.sample(), student.teacher()), Stopping.NEVER, questions, trial.answerer());
                Path file = run.file("select " + student.name() + ".jsonl");
                stages.add(new Tried(file, questions, data.pool().size(), seconds(select, file)).stage(student.stage("select") + behind, times, 1));
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
            Plan plan = evaluation.plan(method, new ModelState.Base());
            return ask("evaluate " + method.name(), plan, Stopping.NEVER, data.test(), orders).stage("evaluate " + arm, times, texts(method, plan));
        }

        /**
         * Asks some of the questions, then others, twice as many each time, until the program is warm and the last time was long enough to
         * be told of, or was with all of them. Others, as prompts that the model has seen cost less.
         */
        private Tried ask(String name, Plan plan, Stopping stopping, List<Example> questions, int orders) {
            int all = questions.size();
            int some = Math.min(all, trial.questions(plan, orders));
            for (int first = 0;; first += some, some = Math.min(all, 2 * some)) {
                List<Example> asked = IntStream.range(first, first + some).mapToObj(i -> questions.get(i % all))
                        .flatMap(example -> task.orders(example, orders).stream()).toList();
                Path file = run.file(name + " " + first + ".jsonl");
                double seconds = seconds(new Sampling(plan, stopping, asked, trial.answerer()), file);
                if (some == all || since(begun) >= WARM_SECONDS && seconds >= LONG_SECONDS) {
                    return new Tried(file, asked, asked(questions, orders), seconds);
                }
            }
        }

        private double seconds(Sampling sampling, Path file) {
            long start = System.nanoTime();
            sampling.run(file, new Stopwatch("try", "samples", run.log(), Progress.SILENT));
            return since(start);
        }

        private static double since(long start) {
            return (System.nanoTime() - start) / 1e9;
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

        /**
         * A few steps on lessons, again and again until that is warm, of which the middle time counts; were every question kept that
         * fits, each student would train so many.
         */
        private Stage training(List<Student> students, List<Example> fitting, List<TrainingRow> lessons, Path all) {
            List<TrainingRow> rows = new ArrayList<>();
            for (int i = 0; i < trial.rows() * Trial.STEPS; i++) {
                rows.add(lessons.get(i % lessons.size()));
            }
            double tokens = rows.stream().mapToInt(trial.tokens()).average().orElseThrow() * trial.rows();
            Path train = run.file("train.jsonl");
            JsonLines.write(train, rows);
            fitting.forEach(example -> rows.add(row(example, known(example))));
            JsonLines.write(all, rows);
            long start = System.nanoTime();
            List<Double> passes = new ArrayList<>();
            do {
                passes.add(step(train, passes.size()));
            } while (since(start) < WARM_SECONDS);
            double each = passes.stream().sorted().toList().get(passes.size() / 2);
            int trainings = 0;
            long steps = 0;
            for (Student student : students) {
                int times = (student.folder().isEmpty() ? config.teach().rounds() : 1)
                        * (1 + (student.method().equals(Methods.direct()) ? 0 : config.teach().stages()));
                trainings += times;
                steps += times * trial.steps(rows(student, fitting));
            }
            return new Stage("train " + trainings + (trainings == 1 ? " time" : " times"), false, steps, steps, tokens * steps, each * steps);
        }

        /** Seconds of a step. */
        private double step(Path train, int pass) {
            long[] ends = new long[Trial.STEPS + 1];
            trial.tuner().tune(new Tuner.Job(train, run.file("none.jsonl"), run.file("training " + pass), "train", null),
                    state -> ends[(int) state.done()] = System.nanoTime());
            return (ends[Trial.STEPS - 1] - ends[1]) / 1e9 / (Trial.STEPS - 2);
        }

        /** Rows of a student's training, were every question kept: one for each order, or for each sample where all are taught. */
        private long rows(Student student, List<Example> fitting) {
            int size = fitting.size();
            long kept = size - (int) (size * config.curation().validationFraction());
            Rule rule = student.curation().rule();
            return rule == Rule.ALL ? kept * Round.plan(config, task, student).leaves()
                    : rule.votes() ? kept * asked(fitting, config.curation().orders()) / size : kept;
        }

        /** What the student would be taught by the first answer of each question that was tried; where none of that fits, any that does. */
        private List<TrainingRow> lessons(Tried answered, List<Example> fitting) {
            boolean whole = config.curation().target() == Target.RESPONSE || config.teach().stages() > 0;
            List<TrainingRow> rows = new ArrayList<>();
            Answers.each(answered.file(), answered.asked(), (example, answers) -> {
                List<Answers.Chain> chains = answers.chains(config.method().depth());
                String said = whole && !chains.isEmpty() ? config.method().lastWord(chains.getFirst()).strip() : "";
                rows.add(row(example, said.isEmpty() ? known(example) : said));
            });
            rows.removeIf(row -> !trial.tuner().fits(row));
            return rows.isEmpty() ? List.of(row(fitting.getFirst(), known(fitting.getFirst()))) : rows;
        }

        private TrainingRow row(Example example, String completion) {
            SampleConfig once = new SampleConfig(List.of(1), config.sample().params(), config.sample().seed());
            return new TrainingRow(Methods.direct().plan(task, once, "sample", new ModelState.Base()).firstPrompt(example), completion);
        }

        /** The gold answer as a student would be taught it. */
        private String known(Example example) {
            return example.known().flatMap(gold -> task.extract(example, gold)).or(example::known).orElse("yes");
        }
    }
}
