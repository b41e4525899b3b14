package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Curriculum;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.UniversalSelfConsistency;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.verify.Verdicts;
import org.ingrain.distill.verify.Verification;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * Executes the stages of a run in the run folder, one after another. A stage whose output files exist is not repeated.
 */
final class StageRunner {
    private final Plans plans;
    private final Dataset data;
    private final RunFolder run;
    private final Pipeline.Workers workers;
    private final Progress progress;
    /** For each question of the pool, all presentation orders that curation needs. */
    private final List<List<Example>> orders;
    private final Map<Student, Ledger.Summary> ledgers = new LinkedHashMap<>();
    private final Map<Student, Tuner.Tuned> trained = new LinkedHashMap<>();
    private final List<ArmResult> arms = new ArrayList<>();

    StageRunner(Plans plans, Dataset data, RunFolder run, Pipeline.Workers workers, Progress progress) {
        this.plans = plans;
        this.data = data;
        this.run = run;
        this.workers = workers;
        this.progress = progress;
        int most = plans.config().curation().orders();
        orders = data.pool().stream().map(example -> plans.task().orders(example, most)).toList();
    }

    /** Summaries of the ledgers by student, in the order of curation. */
    Map<Student, Ledger.Summary> ledgers() {
        return ledgers;
    }

    /** The result of the last training of each student, in the order of training. */
    Map<Student, Tuner.Tuned> trained() {
        return trained;
    }

    /** Results of the evaluated arms, in the order of evaluation. */
    List<ArmResult> arms() {
        return arms;
    }

    void run(Stage stage) {
        if (!isPossible(stage)) {
            return;
        }
        switch (stage) {
            case Stage.Sample(Student student) -> sample(student, watch(stage, "samples"));
            case Stage.Select(Student student) -> select(student, watch(stage, "answers"));
            case Stage.Verify(Student student) -> verify(student, watch(stage, "answers"));
            case Stage.Curate(Student student) -> curate(student);
            case Stage.Train(Student student, int part) -> trained.put(student, train(student, part, stage));
            case Stage.Evaluate evaluate -> arms.add(evaluate(evaluate));
        }
    }

    /**
     * Whether the stage can be executed. If the student has a teacher, the teacher must have been trained. If the
     * student's curation has been executed, the curation must have kept a training example.
     */
    private boolean isPossible(Stage stage) {
        Student student = stage.student();
        return student == null || (student.teacher() == null || trained.containsKey(student.teacher()))
                && (!ledgers.containsKey(student) || kept(student));
    }

    /** Whether the curation of a student kept any training example. */
    boolean kept(Student student) {
        return ledgers.get(student).total().labels() > 0;
    }

    private ModelState weights(Student student) {
        return student == null ? new ModelState.Base() : new ModelState.Adapter(adapter(student, student.parts()));
    }

    private void sample(Student student, Stopwatch watch) {
        Plan plan = plans.sample(student, weights(student.teacher()));
        Sampling sampling = new Sampling(plan, plans.stopping(student, plan),
                orders.stream().flatMap(List::stream).toList(), workers.answerer());
        Path samples = run.file(student.samples());
        run.digests().make(samples, () -> sampling.run(samples, watch));
    }

    private void select(Student student, Stopwatch watch) {
        Path selections = run.file(student.selections());
        run.digests().make(selections, () -> plans.selection(student, weights(student.teacher()), workers.answerer(),
                run.file(student.samples()), data.pool()).run(selections, watch));
    }

    private void verify(Student student, Stopwatch watch) {
        Path verdicts = run.file(student.verdicts());
        Verification verification = new Verification(student.curation().verifier(), plans.task(), student.method());
        run.digests().make(verdicts, () -> verification.run(run.file(student.samples()),
                orders.stream().flatMap(List::stream).toList(), verdicts, watch));
    }

    private void curate(Student student) {
        Path selections = run.file(student.selections());
        Plan direct = plans.direct();
        Curriculum curriculum = new Curriculum(student.method(), student.parts());
        Ledger ledger = new Ledger(run.file(student.ledger()));
        // A target is accepted only if its row is short enough in every training of the student.
        Ledger.Fits fits = (asked, entry, target) -> IntStream.rangeClosed(0, student.parts())
                .allMatch(part ->
                workers.tuner()
                        .fits(new TrainingRow(direct.firstPrompt(asked), curriculum.text(part, entry, target))));
        run.digests().make(ledger.file(), () -> ledger.make(run.file(student.samples()), orders,
                curation(student), student.curation().rule() == Rule.UNIVERSAL
                ? UniversalSelfConsistency.selections(selections) : Map.of(), fits));
        ledgers.put(student, ledger.summary());
        for (int part = 0; kept(student) && part <= student.parts(); part++) {
            int now = part;
            writeTraining(student.folder(part), ledger, new Ledger.Rows(orders, direct, student.curation(),
                    (entry, target) -> curriculum.text(now, entry, target)));
        }
    }

    private Curation curation(Student student) {
        Curation curation = plans.curation(student, weights(student.teacher()));
        return student.curation().verifier() == null ? curation
                : curation.with(Verdicts.read(run.file(student.verdicts())));
    }

    private void writeTraining(String folder, Ledger ledger, Ledger.Rows how) {
        Path train = run.file(folder + "train.jsonl");
        Path validation = run.file(folder + "validation.jsonl");
        run.digests().make(train, () -> {
            if (!Files.exists(train)) {
                ledger.writeTraining(train, validation, how);
            }
        });
        run.digests().make(validation, () -> { });   // written together with train.jsonl
    }

    /**
     * Runs one training of a student. The training starts from the adapter of the student's previous training. The
     * student's first training starts from the teacher's adapter, or from a new adapter if there is no teacher.
     */
    private Tuner.Tuned train(Student student, int part, Stage stage) {
        String folder = student.folder(part);
        Path done = run.file(folder + "training.json");
        run.digests().make(done, () -> {
            if (Files.exists(done)) {
                return;
            }
            Student teacher = student.teacher();
            Path from = part > 0 ? adapter(student, part - 1) : teacher == null
                    ? null : adapter(teacher, teacher.parts());
            Stopwatch watch = watch(stage, "steps");
            Tuner.Tuned tuned = workers.tuner()
                    .tune(new Tuner.Job(run.file(folder + "train.jsonl"), run.file(folder + "validation.jsonl"),
                            run.file(folder + "training"), stage.name(), from), progress);
            watch.stop();
            DurableFile.write(done, Json.pretty(tuned));
        });
        return tuned(folder);
    }

    private Tuner.Tuned tuned(String folder) {
        Path done = run.file(folder + "training.json");
        return Json.parse(DurableFile.read(done), Tuner.Tuned.class, done.toString());
    }

    /** Folder of the adapter that one training of a student wrote. */
    private Path adapter(Student student, int part) {
        String folder = student.folder(part);
        return run.file(folder + "training").resolve(tuned(folder).adapter());
    }

    private ArmResult evaluate(Stage.Evaluate stage) {
        Arm arm = new Arm(stage.role(), stage.arm(), stage.title(), stage.method(), weights(stage.asked()));
        return new Evaluation(plans.config().evaluate(), plans.task(), data.test())
                .measure(arm, run.file("evaluation/" + arm.name()), workers.answerer(), watch(stage, "answers"),
                        run.digests());
    }

    private Stopwatch watch(Stage stage, String unit) {
        return new Stopwatch(stage.name(), unit, run.log(), progress);
    }
}
