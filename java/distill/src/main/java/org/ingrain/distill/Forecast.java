package org.ingrain.distill;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;

/**
 * Estimated work and time of a run. {@link Stage}s that do the same work share one row.
 *
 * @param rows     one row for each kind of work, in the order of the stages
 * @param tooLong  number of pool questions that are too long for training, even if the target is only the answer; the
 *                 training estimate excludes them
 * @param training file of training rows for the memory plan. It contains the rows of the trial, and then the longest
 *                 rows that curation may keep, as many as one step needs. Null if there was no trial
 */
public record Forecast(List<Row> rows, int tooLong, Path training) {
    /** The maximum number of tokens that the chat templates of known models add to a question and its answer. */
    private static final int TEMPLATE_TOKENS = 64;

    /**
     * The estimate for one stage, or for several stages that do the same work.
     *
     * @param asks    true if the stages generate texts, false if they train
     * @param calls   expected number of generated texts, or of optimizer steps
     * @param most    maximum number of generated texts, under the assumption that no vote stops early and each text is
     *                split into the maximum number of parts. For training, equal to {@code calls}
     * @param tokens  expected number of generated tokens, or of tokens in the training batches; NaN if unknown
     * @param seconds estimated time in seconds; NaN if unknown
     * @param basis   description of the trial; empty if there was no trial
     */
    public record Row(String name, boolean asks, long calls, long most, double tokens, double seconds, String basis) {
        /** This row multiplied by the number of stages that do the same work. */
        private Row times(int stages) {
            return new Row(Forecast.name(name, stages), asks, calls * stages, most * stages, tokens * stages,
                    seconds * stages, basis);
        }
    }

    /**
     * An estimate from trials on this machine. The trials sample each method on some questions and then train on some
     * answers.
     */
    public static Forecast of(DistillConfig<?> config, Dataset data, Trial trial) {
        Plans plans = new Plans(config, config.data().makeTask());
        List<List<Stage>> work = work(config, data);
        try (RunFolder run = RunFolder.open(trial.folder().resolve("run"), Manifest.of(List.of(), List.of()))) {
            Trial.Measure measure = trial.begin(run, 1 + (int) work.stream()
                    .filter(same -> same.getFirst().usesModel()).count());
            return new Maker(plans, plans.direct(), data, trial, measure, run.file("rows.jsonl")).forecast(work);
        }
    }

    /** Upper bounds from the settings and the questions only. They need no model and contain no times. */
    public static Forecast bounds(DistillConfig<?> config, Dataset data) {
        Plans plans = new Plans(config, config.data().makeTask());
        Bounds bounds = new Bounds(plans, data);
        List<Row> rows = work(config, data).stream().filter(same -> same.getFirst().usesModel()).map(bounds::row)
                .toList();
        return new Forecast(rows, 0, null);
    }

    /**
     * An upper bound of the number of tokens of a training row: one token per UTF-8 byte, plus the tokens of the
     * template.
     */
    public static int longestRow(DistillConfig<?> config, Dataset data) {
        Plans plans = new Plans(config, config.data().makeTask());
        int response = plans.wholeResponses() ? plans.sample(Student.main(config), Bounds.BASE).steps().getLast()
                .maxTokens() : 0;
        Plan direct = plans.direct();
        return TEMPLATE_TOKENS + data.pool().stream().map(direct::firstPrompt).mapToInt(prompt -> response
                + new TrainingRow(prompt, "").bytes()).max().orElse(0) + data.pool().stream().map(plans::known)
                .mapToInt(known -> known.getBytes(StandardCharsets.UTF_8).length).max().orElse(0);
    }

    /** The stages of a run; stages with the same work are in one list. */
    private static List<List<Stage>> work(DistillConfig<?> config, Dataset data) {
        return List.copyOf(Stage.of(config, !data.test().isEmpty()).stream()
                .collect(Collectors.groupingBy(Work::of, LinkedHashMap::new, Collectors.toList())).values());
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

    /** Upper bounds of the work of stages. */
    private record Bounds(Plans plans, Dataset data) {
        private static final ModelState BASE = new ModelState.Base();

        Row row(List<Stage> same) {
            return switch (same.getFirst()) {
                case Stage.Sample(Student student) -> texts(same, student.method(), plans.sample(student, BASE),
                        pool());
                case Stage.Select(Student student) -> texts(same, plans.selector(student),
                        plans.selection(student, BASE), (long) data.pool().size() * plans.mostSelections(student));
                case Stage.Evaluate evaluate -> texts(same, evaluate.method(), evaluation(evaluate.method()), test());
                case Stage.Train train -> {
                    long steps = steps(same, data.pool());
                    yield new Row(name(train.name(), same.size()), false, steps, steps, Double.NaN, Double.NaN, "");
                }
                case Stage stage -> throw new IllegalArgumentException(stage.name());
            };
        }

        private Row texts(List<Stage> same, Method method, Plan plan, long questions) {
            long tokens = 0;
            List<Long> levels = levels(method, plan);
            for (int i = 0; i < levels.size(); i++) {
                tokens += levels.get(i) * plan.steps().get(i).maxTokens();
            }
            long texts = questions * levels.stream().mapToLong(Long::longValue).sum();
            return new Row(same.getFirst().name(), true, texts, texts, (double) tokens * questions, Double.NaN, "")
                    .times(same.size());
        }

        /** Number of pool questions; each presentation order counts as one question. */
        long pool() {
            return data.pool().stream().mapToLong(example -> plans.poolOrders(example).size()).sum();
        }

        /** Number of test questions; each presentation order counts as one question. */
        long test() {
            return data.test().stream().mapToLong(example -> plans.testOrders(example).size()).sum();
        }

        Plan evaluation(Method method) {
            return new Evaluation(plans.config().evaluate(), plans.task(), data.test()).plan(method, BASE);
        }

        /** The maximum number of generated texts for one question in one presentation order, for each step. */
        static List<Long> levels(Method method, Plan plan) {
            List<Long> levels = new ArrayList<>();
            long level = 1;
            for (Plan.PlannedStep step : plan.steps()) {
                level *= step.each() == null ? step.samples() : method.branching().mostParts();
                levels.add(level);
            }
            return levels;
        }

        static long most(Method method, Plan plan) {
            return levels(method, plan).stream().mapToLong(Long::longValue).sum();
        }

        /** Number of optimizer steps of these trainings if curation keeps all of these questions. */
        long steps(List<Stage> trainings, List<Example> kept) {
            return trainings.stream().mapToLong(stage -> plans.config().train().steps(rows(stage.student(), kept)))
                    .sum();
        }

        /**
         * Number of training rows of a student if curation keeps every question of the training split. If the rule
         * counts votes, a question has one row for each presentation order. If the rule is {@code all}, a question has
         * one row for each sample. Otherwise a question has one row.
         */
        private long rows(Student student, List<Example> questions) {
            int size = questions.size();
            long kept = size - (int) (size * plans.config().curation().validationFraction());
            Rule rule = student.curation().rule();
            long asked = questions.stream().mapToLong(example -> plans.poolOrders(example).size()).sum();
            return rule == Rule.ALL ? kept * plans.sample(student, BASE).leaves() : rule.votes()
                    ? kept * asked / size : kept;
        }
    }

    private record Maker(Plans plans, Plan direct, Dataset data, Trial trial, Trial.Measure measure, Path training) {
        Forecast forecast(List<List<Stage>> work) {
            Tuner tuner = trial.tuner().apply(1);
            List<Example> fitting = data.pool().stream().filter(example -> fits(tuner, example)).toList();
            if (fitting.isEmpty()) {
                throw new InputException(data.pool().size()
                        + " questions to distil on: none fits into the model's context with its answer");
            }
            measure.warm(direct, fitting.getFirst());
            Map<Method, Trial.Tried> sampled = new LinkedHashMap<>();
            List<Row> rows = new ArrayList<>();
            Bounds bounds = new Bounds(plans, data);
            for (List<Stage> same : work) {
                String name = same.getFirst().name();
                switch (same.getFirst()) {
                    case Stage.Sample(Student student) -> {
                        sampled.put(student.method(), sample(name, student, bounds));
                        rows.add(sampled.get(student.method()).row(name, Bounds.most(student.method(),
                                plans.sample(student, Bounds.BASE))).times(same.size()));
                    }
                    case Stage.Select(Student student) -> rows.add(
                            select(same, sampled.get(student.method()), bounds.row(same)));
                    case Stage.Verify verify -> { }
                    case Stage.Curate curate -> { }
                    case Stage.Train train -> rows.add(train(same, examples(sampled.get(config().method()), fitting),
                            fitting, bounds.steps(same, fitting)));
                    case Stage.Evaluate evaluate ->
                            rows.add(evaluate(name, evaluate.method(), bounds).times(same.size()));
                }
            }
            return new Forecast(rows, data.pool().size() - fitting.size(), training);
        }

        private DistillConfig<?> config() {
            return plans.config();
        }

        /**
         * Returns whether a question with its answer is short enough for training. The texts are tokenized only if
         * their number of bytes exceeds the limit.
         */
        private boolean fits(Tuner tuner, Example example) {
            TrainingRow row = row(example, plans.known(example));
            return row.bytes() + TEMPLATE_TOKENS <= tuner.longest() || tuner.fits(row);
        }

        private Trial.Tried sample(String name, Student student, Bounds bounds) {
            Plan plan = plans.sample(student, Bounds.BASE);
            return measure.ask(name, plan, plans.stopping(student, plan), data.pool(), plans::poolOrders,
                    bounds.pool());
        }

        /**
         * @param most the upper bound. It is returned if no question of the trial needs a selection by the model, for
         * example because all answers to each question are equal
         */
        private Row select(List<Stage> same, Trial.Tried sampled, Row most) {
            String name = same.getFirst().name();
            Student student = same.getFirst().student();
            List<Example> questions = plans.selectionQuestions(student, sampled.file(), sampled.asked());
            if (questions.isEmpty()) {
                return most;
            }
            long whole = Math.round((double) questions.size() / sampled.asked().size() * data.pool().size());
            Row row = measure.ask(name, plans.selection(student, Bounds.BASE), Stopping.NEVER, questions, List::of,
                    whole).row(name, 1).times(same.size());
            return new Row(most.name(), true, row.calls(), most.most(), row.tokens(), row.seconds(), row.basis());
        }

        private Row evaluate(String name, Method method, Bounds bounds) {
            Plan plan = bounds.evaluation(method);
            return measure.ask(name, plan, Stopping.NEVER, data.test(), plans::testOrders, bounds.test())
                    .row(name, Bounds.most(method, plan));
        }

        /**
         * Returns the row of all training stages, under the assumption that curation keeps every question that is short
         * enough for training.
         */
        private Row train(List<Stage> trainings, List<TrainingRow> examples, List<Example> fitting, long steps) {
            String name = name(trainings.getFirst().name(), trainings.size());
            int batch = config().train().rowsPerStep();
            Trial.Measure.Speed speed = measure.step(trainings.getFirst().name(), examples, batch);
            double tokens = batch * examples.stream().mapToInt(trial.tuner().apply(batch)::tokens).average()
                    .orElseThrow();
            List<TrainingRow> rows = new ArrayList<>(examples);
            fitting.stream().map(example -> row(example, plans.known(example)))
                    .sorted(Comparator.comparingInt(TrainingRow::bytes).reversed()).limit(batch).forEach(rows::add);
            JsonLines.write(training, rows);
            return new Row(name, false, steps, steps, tokens * steps, speed.seconds() * tokens * steps, speed.basis());
        }

        /**
         * Returns one training row for each question of the trial. If the run trains on whole responses, the completion
         * is the text of the first answer, unless this text is blank. Otherwise the completion is the gold answer. Rows
         * that are too long for training are removed. If no row remains, one row with a gold answer is returned.
         */
        private List<TrainingRow> examples(Trial.Tried tried, List<Example> fitting) {
            boolean whole = plans.wholeResponses();
            Method method = config().method();
            List<TrainingRow> rows = new ArrayList<>();
            Answers.forEach(tried.file(), tried.asked(), (example, answers) -> {
                List<Answers.Chain> chains = answers.chains(method.depth());
                String text = whole && !chains.isEmpty() ? method.lastWord(chains.getFirst()).strip() : "";
                rows.add(row(example, text.isEmpty() ? plans.known(example) : text));
            });
            rows.removeIf(row -> !trial.tuner().apply(1).fits(row));
            return rows.isEmpty() ? List.of(row(fitting.getFirst(), plans.known(fitting.getFirst()))) : rows;
        }

        private TrainingRow row(Example example, String completion) {
            return new TrainingRow(direct.firstPrompt(example), completion);
        }
    }
}
