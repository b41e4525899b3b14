package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Task;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;
import org.ingrain.tensor.InputException;

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
    /** The model that answers, and the tuner that trains the students. */
    public record Workers(Answerer answerer, Tuner tuner) {
    }

    /**
     * Throws the errors that {@link #run} would throw before its first stage. The check needs no model, so call this
     * method before a large model is loaded.
     *
     * @throws InputException if settings contradict each other, the data cannot be used, or the folder belongs to a run
     *         with other settings
     */
    public static void check(DistillConfig<?> config, Dataset data, Provenance provenance, Path folder) {
        check(config, data);
        RunLock.check(folder, Settings.of(config, provenance));
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
        task.requireOrders("orders", config.curation().orders(), data.pool());
        if (!data.test().isEmpty()) {
            Evaluation evaluation = new Evaluation(config.evaluate(), task, data.test());
            List.of(Methods.direct(), config.method()).forEach(evaluation::check);
            config.evaluate().baselines().forEach(evaluation::check);
        }
    }

    /**
     * Starts or resumes a run.
     *
     * @throws InputException in the same cases as {@link #check}
     */
    public Outcome run(Path folder) {
        check(config, data);
        Manifest manifest = Settings.of(config, provenance);
        try (RunFolder run = RunFolder.open(folder, manifest)) {
            run.log().say("started or resumed");
            Outcome outcome = run(run, manifest);
            workers.answerer().fallbacks().forEach((what, calls) -> run.log()
                    .say("fallback, " + calls + " calls: " + what));
            run.log().say("ended");
            return outcome;
        }
    }

    private Outcome run(RunFolder run, Manifest manifest) {
        if (!Files.exists(run.file("data/test.jsonl"))) {
            JsonLines.write(run.file("data/pool.jsonl"), data.pool());
            JsonLines.write(run.file("data/test.jsonl"), data.test());
        }
        Plans plans = new Plans(config, config.data().makeTask());
        StageRunner runner = new StageRunner(plans, data, run, workers, progress);
        for (Stage stage : Stage.of(config, !data.test().isEmpty())) {
            runner.run(stage);
            if (stage instanceof Stage.Curate(Student student) && runner.ledgers().containsKey(student)
                    && !runner.kept(student)) {
                if (student.isRequired()) {
                    return nothingKept(runner.ledgers().get(student), run);
                }
                run.log().say(student.name() + ": curation kept nothing; this student and later rounds are skipped");
            }
        }
        return publish(plans, runner, run, manifest);
    }

    private Outcome publish(Plans plans, StageRunner runner, RunFolder run, Manifest manifest) {
        Task task = plans.task();
        Plan plan = plans.sample(Student.main(config), new ModelState.Base());
        List<StudentFiles> taught = runner.ledgers().keySet().stream()
                .map(student -> new StudentFiles(student.role(), student.name(), student.title(), student.folder(),
                        student.folders())).toList();
        Report report = Report.of(run.path(),
                new Report.Subject(task.name(), task.rule(), config.method().title(), manifest), Report.Sizes.of(data),
                new Report.Results(runner.arms(), byName(runner.ledgers()), byName(runner.trained())), taught);
        new Publication(run.path(), report, new Prompts(plan, config.method().marks(task.name())), taught).write();
        return new Outcome.Done(report, run.path());
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
