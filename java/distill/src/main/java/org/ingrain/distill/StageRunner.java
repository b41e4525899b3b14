package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
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
import org.ingrain.distill.sample.ImportedAnswers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.verify.Verdicts;
import org.ingrain.distill.verify.Verification;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import tools.jackson.databind.JsonNode;

/**
 * Executes the stages of a run in the run folder, one after another. A stage whose output files exist is not repeated.
 */
final class StageRunner {
    private static final String TRAIN = "train.jsonl";
    private static final String VALIDATION = "validation.jsonl";
    private static final String TRAINING = "training";
    private static final String TRAINED = "training.json";

    private final Plans plans;
    private final Dataset data;
    private final RunFolder run;
    private final StageInputs inputs;
    private final OtherRun other;
    private final Pipeline.Workers workers;
    private final Progress progress;
    /** One list for each question of the pool: the question in all presentation orders that curation needs. */
    private final List<List<Example>> orders;
    private final Map<Student, Ledger.Summary> ledgers = new LinkedHashMap<>();
    private final Map<Student, Tuner.Tuned> trained = new LinkedHashMap<>();
    private final List<ArmResult> arms = new ArrayList<>();

    /** @param other the run whose stages are taken over where possible; null if there is none */
    StageRunner(Pipeline pipeline, Plans plans, RunFolder run, StageInputs inputs, OtherRun other) {
        this.plans = plans;
        this.run = run;
        this.inputs = inputs;
        this.other = other;
        data = pipeline.data();
        workers = pipeline.workers();
        progress = pipeline.progress();
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

    /**
     * Executes a stage and records it with its inputs. If the other run has finished the stage with equal inputs, the
     * other run's files of this stage are taken over first. The stage then finds its files and computes nothing.
     */
    void run(Stage stage) {
        if (!isPossible(stage)) {
            return;
        }
        JsonNode own = inputs(stage);
        if (other != null && run.stages().get(stage.name()) == null) {
            takeOver(stage, own);
        }
        switch (stage) {
            case Stage.Sample(Student student) when plans.imports(student) -> importSamples(student);
            case Stage.Sample(Student student) -> sample(student, watch(stage, "samples"));
            case Stage.Select(Student student) -> select(student, watch(stage, "answers"));
            case Stage.Verify(Student student) -> verify(student, watch(stage, "answers"));
            case Stage.Curate(Student student) -> curate(student);
            case Stage.Train(Student student, int part) -> trained.put(student, train(student, part, stage));
            case Stage.Evaluate evaluate -> arms.add(evaluate(evaluate));
        }
        run.stages().put(stage.name(), own, files(stage));
    }

    private void takeOver(Stage stage, JsonNode own) {
        Optional<String> different = other.difference(stage.name(), own);
        String line;
        if (different.isEmpty()) {
            other.takeOver(stage.name(), run);
            run.log().takenOver(stage.name(), other.folder());
            line = "taken over from " + other.folder();
        } else if (stage instanceof Stage.Sample(Student student) && !plans.imports(student) && other
                .textsDifference(stage.name(), inputs.drawn(student, teacher(student))).isEmpty()) {
            int texts = other.giveTexts(student.samples(), asked(), run);
            run.log().takenOver(stage.name(), other.folder());
            line = "begins with " + texts + " texts of " + other.folder() + ": " + different.get();
        } else {
            line = "not taken over from " + other.folder() + ": " + different.get();
        }
        run.log().say(stage.name() + ": " + line);
        progress.say(stage.name() + ": " + line);
    }

    /** Everything that the files of a stage depend on. */
    private JsonNode inputs(Stage stage) {
        return switch (stage) {
            case Stage.Sample(Student student) -> inputs.sample(student, teacher(student));
            case Stage.Select(Student student) -> inputs.select(student, teacher(student),
                    digest(student.samples()));
            case Stage.Verify(Student student) -> inputs.verify(student, digest(student.samples()));
            case Stage.Curate(Student student) -> inputs.curate(student, digest(student.samples()),
                    student.curation().rule().asksModel() ? digest(student.selections()) : null,
                    student.curation().verifier() == null ? null : digest(student.verdicts()));
            case Stage.Train(Student student, int part) -> inputs.train(digest(student.folder(part) + TRAIN),
                    digest(student.folder(part) + VALIDATION), from(student, part));
            case Stage.Evaluate evaluate -> inputs.evaluate(evaluate, weights(evaluate));
        };
    }

    private String digest(String file) {
        return run.digests().of(run.file(file));
    }

    /** The files that a finished stage has written, relative to the run folder. */
    private List<String> files(Stage stage) {
        List<String> files = switch (stage) {
            case Stage.Sample(Student student) -> plans.imports(student)
                    ? List.of(student.samples(), ImportedAnswers.ORIGIN) : List.of(student.samples());
            case Stage.Select(Student student) -> List.of(student.selections());
            case Stage.Verify(Student student) -> List.of(student.verdicts());
            case Stage.Curate(Student student) -> Stream.concat(Stream.of(student.ledger()), student.folders().stream()
                    .flatMap(folder -> Stream.of(folder + TRAIN, folder + VALIDATION))).toList();
            case Stage.Train(Student student, int part) -> Stream.concat(Stream.of(student.folder(part) + TRAINED),
                    TrainingFiles.of(run.path(), student.folder(part) + TRAINING).stream()).toList();
            case Stage.Evaluate evaluate -> Evaluation.FILES.stream().map(folder(evaluate)::concat).toList();
        };
        return files.stream().filter(file -> Files.exists(run.file(file))).sorted().toList();
    }

    private static String folder(Stage.Evaluate stage) {
        return "evaluation/" + stage.arm() + "/";
    }

    /**
     * Whether the stage can be executed. If the student's teacher is the student of the previous round, that student
     * must have been trained. If the student's curation has been executed, it must have kept a training example.
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
        return student == null ? new ModelState.Base() : trained(student, student.parts());
    }

    /** The weights that generate the texts that a student is trained on. */
    private ModelState teacher(Student student) {
        return student.teacher() == null ? plans.teacher() : weights(student.teacher());
    }

    private ModelState weights(Stage.Evaluate stage) {
        return stage.ofTeacher() ? plans.teacher() : weights(stage.asked());
    }

    /** All questions of the pool, each in all presentation orders that curation needs. */
    private List<Example> asked() {
        return orders.stream().flatMap(List::stream).toList();
    }

    private void sample(Student student, Stopwatch watch) {
        Plan plan = plans.sample(student, teacher(student));
        Sampling sampling = new Sampling(plan, plans.stopping(student, plan), asked(), workers.answerer());
        Path samples = run.file(student.samples());
        run.digests().make(samples, () -> sampling.run(samples, watch));
    }

    private void importSamples(Student student) {
        Path samples = run.file(student.samples());
        Path origin = run.file(ImportedAnswers.ORIGIN);
        run.digests().make(samples, () -> {
            if (Files.exists(samples) && Files.exists(origin)) {
                return;
            }
            Plan plan = plans.sample(student, teacher(student));
            ImportedAnswers answers = ImportedAnswers.read(plans.config().imported(), data, plan);
            DurableFile.write(origin, Json.pretty(answers.source()));
            answers.write(samples, data.pool(), plan, workers.tuner()::tokens);
            run.log().say("sample: " + answers.source().line());
            progress.say("sample: " + answers.source().line());
        });
        run.digests().hold(List.of(origin));
    }

    private void select(Student student, Stopwatch watch) {
        Path selections = run.file(student.selections());
        run.digests().make(selections, () -> plans.selection(student, teacher(student), workers.answerer(),
                run.file(student.samples()), data.pool()).run(selections, watch));
    }

    private void verify(Student student, Stopwatch watch) {
        Path verdicts = run.file(student.verdicts());
        Verification verification = new Verification(student.curation().verifier(), plans.task(), student.method());
        run.digests().make(verdicts, () -> verification.run(run.file(student.samples()), asked(), verdicts,
                watch));
    }

    private void curate(Student student) {
        Path selections = run.file(student.selections());
        Plan direct = plans.direct();
        Curriculum curriculum = new Curriculum(student.method(), student.parts());
        Ledger ledger = new Ledger(run.file(student.ledger()));
        // Each training of the student has its own row for a target. A target is accepted only if all rows fit.
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
        Curation unjudged = plans.curation(student, teacher(student));
        Curation curation = student.curation().rule() != Rule.JUDGE ? unjudged
                : unjudged.with(unjudged.judging().read(run.file(student.selections()),
                plans.selectionQuestions(student, run.file(student.samples()), data.pool())));
        return student.curation().verifier() == null ? curation
                : curation.with(Verdicts.read(run.file(student.verdicts())));
    }

    private void writeTraining(String folder, Ledger ledger, Ledger.Rows how) {
        Path train = run.file(folder + TRAIN);
        Path validation = run.file(folder + VALIDATION);
        run.digests().make(train, () -> {
            if (!Files.exists(train)) {
                ledger.writeTraining(train, validation, how);
            }
        });
        run.digests().make(validation, () -> { });   // written together with train.jsonl
    }

    /** Runs one training of a student. */
    private Tuner.Tuned train(Student student, int part, Stage stage) {
        String folder = student.folder(part);
        Path done = run.file(folder + TRAINED);
        run.digests().make(done, () -> {
            if (Files.exists(done)) {
                return;
            }
            Path from = switch (from(student, part)) {
                case ModelState.Adapter(Path adapter) -> adapter;
                case ModelState.Model(Path model) -> model;
                case ModelState.Base(), ModelState.Teacher() -> null;
            };
            Stopwatch watch = watch(stage, "steps");
            Tuner.Tuned tuned = workers.tuner().tune(new Tuner.Job(run.file(folder + TRAIN),
                    run.file(folder + VALIDATION), run.file(folder + TRAINING), stage.name(), from), progress);
            watch.stop();
            DurableFile.write(done, Json.pretty(tuned));
        });
        run.digests().hold(TrainingFiles.of(run.path(), folder + TRAINING).stream().map(run::file).toList());
        return tuned(folder);
    }

    /**
     * The weights that a training starts from: the result of the student's previous training. The student's first
     * training starts from the student of the previous round, or in the first round from the base model.
     */
    private ModelState from(Student student, int part) {
        return part > 0 ? trained(student, part - 1) : weights(student.teacher());
    }

    private Tuner.Tuned tuned(String folder) {
        Path done = run.file(folder + TRAINED);
        return Json.parse(DurableFile.read(done), Tuner.Tuned.class, done.toString());
    }

    /** The weights that one training of a student wrote. */
    private ModelState trained(Student student, int part) {
        String folder = student.folder(part);
        Path result = run.file(folder + TRAINING).resolve(tuned(folder).adapter());
        return plans.config().train().full() ? new ModelState.Model(result) : new ModelState.Adapter(result);
    }

    private ArmResult evaluate(Stage.Evaluate stage) {
        Arm arm = new Arm(stage.role(), stage.arm(), stage.title(), stage.method(), weights(stage));
        return new Evaluation(plans.config().evaluate(), plans.task(), data.test())
                .measure(arm, run.file(folder(stage)), workers.answerer(), watch(stage, "answers"),
                        run.digests());
    }

    private Stopwatch watch(Stage stage, String unit) {
        return new Stopwatch(stage.name(), unit, run.log(), progress);
    }
}
