package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.report.Publication;
import org.ingrain.distill.report.table.Prompts;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.StudentFiles;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.sample.ImportedAnswers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Task;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Distils System 2 into System 1 (arXiv:2407.06023). {@link #run} executes the {@link Stage}s of a run in one run
 * folder and then writes the report of the run.
 *
 * <p>Each stage depends only on the files of earlier stages. A stage writes its files atomically, or line by line into
 * a log that is sorted at the end. A run can therefore be killed at any time and resumed any number of times; its final
 * files have the same bytes as those of an uninterrupted run. Only run.log, timings.json and each training's log.txt
 * depend on time, completion order or threads.
 *
 * @param data questions of {@code config.data()}
 */
public record Pipeline(DistillConfig<?> config, Dataset data, Provenance provenance, Workers workers,
        Progress progress) {
    /** File of the run folder that contains the flags of the run, in the format of a recipe. */
    public static final String RECIPE = "recipe.json";

    /**
     * What a call of {@link #run} executes.
     *
     * @param folder run folder
     * @param until  the last kind of stage to execute
     * @param from   run folder of another run. If a stage is finished there and has equal inputs in both runs, its
     *               files are taken over (linked or copied). Null: no stage is taken over
     * @param recipe the flags of the run as a recipe, which is kept in {@code recipe.json}; or null
     */
    public record Goal(Path folder, StageKind until, Path from, JsonNode recipe) {
        /** All stages. No stage is taken over from another run. */
        public static Goal all(Path folder) {
            return new Goal(folder, StageKind.REPORT, null, null);
        }
    }

    /** The model that answers the questions, and the tuner that trains the students. */
    public record Workers(Answerer answerer, Tuner tuner) {
    }

    /**
     * Throws the errors that {@link #run} would throw before its first stage. The check needs no model, so call this
     * method before a large model is loaded.
     *
     * @throws InputException if settings contradict each other, the data cannot be used, the folder belongs to a run
     *         with other settings, or nothing can be taken over from {@code goal.from()}
     */
    public static void check(DistillConfig<?> config, Dataset data, Provenance provenance, Goal goal) {
        check(config, data);
        Manifest manifest = Settings.of(config, provenance);
        RunLock.difference(goal.folder(), manifest).ifPresent(different -> {
            throw InputException.field("output", goal.folder() + ": this run folder was made with " + different
                    + "; use the same settings, or use another folder and take over the unchanged stages with fromRun "
                    + goal.folder());
        });
        RunLock.check(goal.folder(), manifest);
        if (goal.from() != null) {
            requireReusable(config, data, manifest, goal);
        }
    }

    /**
     * Requires that this run can reuse the other run. Only stages that need no earlier stage are compared: at least one
     * of them must have equal inputs in both runs. For sampling, it is enough that the other run's texts can be used.
     */
    private static void requireReusable(DistillConfig<?> config, Dataset data, Manifest manifest, Goal goal) {
        if (goal.from().toAbsolutePath().normalize().equals(goal.folder().toAbsolutePath().normalize())) {
            throw InputException.field("fromRun", goal.from() + ": is also the output, expected another run folder");
        }
        OtherRun other = OtherRun.open(goal.from());
        StageInputs inputs = new StageInputs(manifest, data, new Plans(config, config.data().makeTask())::imports);
        ModelState base = new ModelState.Base();
        ModelState teacher = new Plans(config, config.data().makeTask()).teacher();
        Optional<String> why = Optional.empty();
        for (Stage stage : Stage.of(config, !data.test().isEmpty())) {
            Optional<String> different = switch (stage) {
                case Stage.Sample(Student student) when student.teacher() == null ->
                        other.textsDifference(stage.name(), inputs.drawn(student, teacher));
                case Stage.Evaluate evaluate when evaluate.asked() == null ->
                        other.difference(stage.name(), inputs.evaluate(evaluate,
                                evaluate.ofTeacher() ? teacher : base));
                default -> null;
            };
            if (different != null) {
                if (different.isEmpty()) {
                    return;
                }
                why = why.or(() -> different);
            }
        }
        throw InputException.field("fromRun", goal.from() + ": nothing can be taken over: "
                + why.orElseThrow());
    }

    /**
     * Checks that the settings do not contradict each other or the data.
     *
     * @throws InputException for the first setting that contradicts another setting or the data
     */
    public static void check(DistillConfig<?> config, Dataset data) {
        if (config.teach().stages() > 0 && config.curation().target() == Target.RESPONSE) {
            throw InputException.field("stages", config.teach().stages()
                    + " with target response, expected target answer: the last stage"
                    + " trains on the answer alone");
        }
        Task task = config.data().makeTask();
        if (config.curation().target() == Target.ANSWER) {
            config.method().requireAnswer(task);
        }
        Plans plans = new Plans(config, task);
        Student.first(config).forEach(student -> plans.curation(student, new ModelState.Base()).check());
        if (config.imported() != null) {
            ImportedAnswers.read(config.imported(), data, plans.sample(Student.main(config), new ModelState.Base()));
        }
        if (config.curation().rule().asksModel()) {
            plans.selection(Student.main(config), new ModelState.Base());
        }
        task.requireOrders("orders", config.curation().orders(), data.pool());
        if (!data.test().isEmpty()) {
            Evaluation evaluation = new Evaluation(config.evaluate(), task, data.test());
            List.of(Methods.direct(), config.method()).forEach(evaluation::check);
            config.evaluate().baselines().forEach(evaluation::check);
        }
    }

    /** Starts or resumes a run and executes all stages. */
    public Outcome run(Path folder) {
        return run(Goal.all(folder));
    }

    /**
     * Starts or resumes a run and executes its stages, up to and including the last kind of stage in {@code goal}.
     * Finished stages are not repeated.
     *
     * @throws InputException in the same cases as {@link #check}
     */
    public Outcome run(Goal goal) {
        check(config, data, provenance, goal);
        Manifest manifest = Settings.of(config, provenance);
        try (RunFolder run = RunFolder.open(goal.folder(), manifest)) {
            run.log().say("started or resumed");
            if (goal.recipe() != null && !Files.exists(run.file(RECIPE))) {
                DurableFile.write(run.file(RECIPE), Json.pretty(goal.recipe()));
            }
            Outcome outcome = run(run, manifest, goal);
            workers.answerer().generators().forEach(sizes -> run.log().say("generator: " + sizes));
            workers.answerer().fallbacks().forEach((what, calls) -> run.log()
                    .say("fallback, " + calls + " calls: " + what));
            run.log().say("ended");
            return outcome;
        }
    }

    private Outcome run(RunFolder run, Manifest manifest, Goal goal) {
        if (!Files.exists(run.file("data/test.jsonl"))) {
            JsonLines.write(run.file("data/pool.jsonl"), data.pool());
            JsonLines.write(run.file("data/test.jsonl"), data.test());
        }
        Plans plans = new Plans(config, config.data().makeTask());
        OtherRun other = goal.from() == null ? null : OtherRun.open(goal.from());
        StageRunner runner = new StageRunner(this, plans, run, new StageInputs(manifest, data, plans::imports), other);
        for (Stage stage : Stage.of(config, !data.test().isEmpty())) {
            if (stage.kind().compareTo(goal.until()) > 0) {
                continue;
            }
            runner.run(stage);
            if (stage instanceof Stage.Curate(Student student) && runner.ledgers().containsKey(student)
                    && !runner.kept(student)) {
                if (student.isRequired()) {
                    return nothingKept(runner.ledgers().get(student), run);
                }
                run.log().say(student.name() + ": curation kept nothing; this student and later rounds are skipped");
            }
        }
        return goal.until() == StageKind.REPORT ? publish(plans, runner, run, manifest)
                : new Outcome.Paused(goal.until(), byName(runner.ledgers()), run.path());
    }

    private Outcome publish(Plans plans, StageRunner runner, RunFolder run, Manifest manifest) {
        Task task = plans.task();
        Plan plan = plans.sample(Student.main(config), new ModelState.Base());
        List<StudentFiles> taught = runner.ledgers().keySet().stream()
                .map(student -> new StudentFiles(student.role(), student.name(), student.title(), student.folder(),
                        student.folders())).toList();
        Report report = Report.of(run.path(),
                new Report.Subject(task.name(), task.rule(), config.method().title(), manifest,
                        origin(run)), Report.Sizes.of(data),
                new Report.Results(runner.arms(), byName(runner.ledgers()), byName(runner.trained())), taught);
        new Publication(run.path(), report, new Prompts(plan, config.method().marks(task)), taught).write();
        return new Outcome.Done(report, run.path());
    }

    private ImportedAnswers.Source origin(RunFolder run) {
        Path file = run.file(ImportedAnswers.ORIGIN);
        return config.imported() == null ? null
                : Json.parse(DurableFile.read(file), ImportedAnswers.Source.class, file.toString());
    }

    private static <V> Map<String, V> byName(Map<Student, V> values) {
        Map<String, V> named = new LinkedHashMap<>();
        values.forEach((student, value) -> named.put(student.name(), value));
        return named;
    }

    private static Outcome nothingKept(Ledger.Summary summary, RunFolder run) {
        List<String> reasons = summary.reasons().entrySet().stream()
                .map(entry -> entry.getValue() + " " + entry.getKey()).toList();
        String line = "nothing to train on: curation kept none of " + summary.total().examples() + " examples ("
                + String.join(", ", reasons) + "; " + summary.total().unanswered() + " of " + summary.total().drawn()
                + " sampled answers without an answer); see " + run.file("ledger.jsonl");
        run.log().say(line);
        return new Outcome.NothingKept(line);
    }
}
