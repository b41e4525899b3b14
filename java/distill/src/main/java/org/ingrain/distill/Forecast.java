package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;

/**
 * Estimated work and time of a run. The estimate comes from a trial on this machine with a few of the run's own
 * questions. If several {@link Stage}s do the same work, the trial executes only the first of these stages, and uses
 * the result for all of them.
 *
 * @param rows     one row for each kind of work, in the order of the stages
 * @param tried    number of pool questions that were sampled in the trial
 * @param tooLong  number of pool questions that are too long for training, even with the bare answer as target; the
 *                 training estimate excludes them
 * @param training file of training rows for the memory plan; it contains the rows of the trial, then one row for each
 *                 question that curation may keep
 */
public record Forecast(List<Row> rows, int tried, int tooLong, Path training) {
    /**
     * Estimate for one or more stages that do the same work.
     *
     * @param asks    true if the stages generate texts, false if they train
     * @param calls   expected number of generated texts, or of optimizer steps
     * @param most    number of generated texts if no vote stops early and each text is split into the maximum number of
     *                parts; for training, equal to {@code calls}
     * @param tokens  expected number of generated tokens, or of tokens in the training batches
     * @param seconds estimated time in seconds
     */
    public record Row(String name, boolean asks, long calls, long most, double tokens, double seconds) {
        /** This row multiplied by the number of stages that do the same work. */
        private Row times(int stages) {
            return new Row(Forecast.name(name, stages), asks, calls * stages, most * stages, tokens * stages,
                    seconds * stages);
        }
    }

    /** Samples each method on some questions, then trains a few steps on the sampled answers. */
    public static Forecast of(DistillConfig<?> config, Dataset data, Trial trial) {
        try (RunFolder run = RunFolder.open(trial.folder().resolve("run"), Manifest.of(List.of(), List.of()))) {
            return new Maker(new Plans(config, config.data().makeTask()), data, trial, trial.begin(run),
                    run.file("rows.jsonl")).forecast();
        }
    }

    private static String name(String first, int stages) {
        return stages == 1 ? first : first + " and " + (stages - 1) + " more";
    }

    /** Key of a kind of work. Stages with equal keys do the same work. */
    private record Work(Class<?> kind, Method method) {
        static Work of(Stage stage) {
            return new Work(stage.getClass(), switch (stage) {
                case Stage.Evaluate evaluate -> evaluate.method();
                case Stage.Train train -> null;
                default -> stage.student().method();
            });
        }
    }

    private record Maker(Plans plans, Dataset data, Trial trial, Trial.Measure measure, Path training) {
        private static final ModelState BASE = new ModelState.Base();

        Forecast forecast() {
            List<Example> fitting = data.pool().stream()
                    .filter(example -> trial.tuner().fits(row(example, known(example)))).toList();
            if (fitting.isEmpty()) {
                throw new InputException(data.pool().size()
                        + " questions to distil on: none fits into the model's context with its answer");
            }
            Map<Method, Trial.Tried> sampled = new LinkedHashMap<>();
            List<Row> rows = new ArrayList<>();
            Map<Work, List<Stage>> work = Stage.of(config(), !data.test().isEmpty()).stream()
                    .collect(Collectors.groupingBy(Work::of, LinkedHashMap::new, Collectors.toList()));
            for (List<Stage> same : work.values()) {
                String name = same.getFirst().name();
                switch (same.getFirst()) {
                    case Stage.Sample(Student student) -> {
                        sampled.put(student.method(), sample(student));
                        rows.add(sampled.get(student.method()).row(
                                name, texts(student.method(), plans.sample(student, BASE))).times(same.size()));
                    }
                    case Stage.Select(Student student) -> rows.add(
                            select(student, sampled.get(student.method())).row(name, 1).times(same.size()));
                    case Stage.Verify verify -> { }
                    case Stage.Curate curate -> { }
                    case Stage.Train train ->
                            rows.add(train(same, examples(sampled.get(config().method()), fitting), fitting));
                    case Stage.Evaluate(var role, String arm, String title, Method method, Student student) ->
                            rows.add(evaluate(name, method).times(same.size()));
                }
            }
            int tried = (int) sampled.get(config().method()).asked().stream().filter(Example::isAsGiven).count();
            return new Forecast(rows, tried, data.pool().size() - fitting.size(), training);
        }

        private DistillConfig<?> config() {
            return plans.config();
        }

        private Task task() {
            return plans.task();
        }

        private Trial.Tried sample(Student student) {
            Plan plan = plans.sample(student, BASE);
            return measure.ask(plan, plans.stopping(student, plan), data.pool(),
                    example -> task().orders(example, config().curation().orders()));
        }

        private Trial.Tried select(Student student, Trial.Tried sampled) {
            List<Example> asked = sampled.asked();
            return measure.time(plans.selection(student, BASE, trial.answerer(), sampled.file(), asked), asked,
                    data.pool().size());
        }

        private Row evaluate(String name, Method method) {
            Plan plan = new Evaluation(config().evaluate(), task(), data.test()).plan(method, BASE);
            return measure.ask(plan, Stopping.NEVER, data.test(),
                    example -> task().orders(example, config().evaluate().orders()))
                    .row(name, texts(method, plan));
        }

        /** The maximum number of generated texts for one question in one presentation order. */
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
         * Returns the row of all training stages, under the assumption that curation keeps every question that is short
         * enough for training.
         */
        private Row train(List<Stage> trainings, List<TrainingRow> examples, List<Example> fitting) {
            int batch = config().train().rowsPerStep();
            List<TrainingRow> rows = new ArrayList<>();
            for (int i = 0; i < batch * Trial.STEPS; i++) {
                rows.add(examples.get(i % examples.size()));
            }
            double tokens = rows.stream().mapToInt(trial.tuner()::tokens).average().orElseThrow() * batch;
            double seconds = measure.step(rows);
            fitting.forEach(example -> rows.add(row(example, known(example))));
            JsonLines.write(training, rows);
            long steps = trainings.stream().mapToLong(stage -> config().train().steps(rows(stage.student(), fitting)))
                    .sum();
            return new Row(name(trainings.getFirst().name(), trainings.size()), false, steps, steps, tokens * steps,
                    seconds * steps);
        }

        /**
         * Number of training rows of a student if curation keeps every question. If the rule counts votes, a question
         * has one row for each presentation order. If the rule is {@code all}, a question has one row for each sample.
         * Otherwise a question has one row.
         */
        private long rows(Student student, List<Example> fitting) {
            int size = fitting.size();
            long kept = size - (int) (size * config().curation().validationFraction());
            Rule rule = student.curation().rule();
            long asked = fitting.stream().mapToLong(example -> task().orders(example, config().curation().orders())
                    .size()).sum();
            return rule == Rule.ALL ? kept * plans.sample(student, BASE).leaves() : rule.votes()
                    ? kept * asked / size : kept;
        }

        /**
         * Returns one training row for each question of the trial. If the run trains on whole responses, the completion
         * is the text of the first answer, unless this text is blank. Otherwise the completion is the gold answer. Rows
         * that are too long for training are removed. If no row remains, one row with a gold answer is returned.
         */
        private List<TrainingRow> examples(Trial.Tried tried, List<Example> fitting) {
            boolean whole = config().curation().target() == Target.RESPONSE || config().teach().stages() > 0;
            Method method = config().method();
            List<TrainingRow> rows = new ArrayList<>();
            Answers.forEach(tried.file(), tried.asked(), (example, answers) -> {
                List<Answers.Chain> chains = answers.chains(method.depth());
                String text = whole && !chains.isEmpty() ? method.lastWord(chains.getFirst()).strip() : "";
                rows.add(row(example, text.isEmpty() ? known(example) : text));
            });
            rows.removeIf(row -> !trial.tuner().fits(row));
            return rows.isEmpty() ? List.of(row(fitting.getFirst(), known(fitting.getFirst()))) : rows;
        }

        private TrainingRow row(Example example, String completion) {
            return new TrainingRow(plans.direct().firstPrompt(example), completion);
        }

        /** The gold answer in the form of a training target; {@code yes} if the question has no gold answer. */
        private String known(Example example) {
            return example.known().flatMap(gold -> task().extract(example, gold)).or(example::known).orElse("yes");
        }
    }
}
