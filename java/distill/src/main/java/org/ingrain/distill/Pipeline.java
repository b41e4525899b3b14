package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.report.Asked;
import org.ingrain.distill.report.Publication;
import org.ingrain.distill.report.Report;
import org.ingrain.distill.report.Taught;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.train.Tuner;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;

/**
 * Distils System 2 into System 1 (arXiv:2407.06023): sample, curate, train, evaluate, report, in one run folder.
 *
 * <p>Each stage is a function of the files before it and writes its own at once and whole, or line by line into a log that is then
 * sorted; so a run that was killed, at any instant and any number of times, goes on where it was and ends with the same bytes. Nothing
 * that depends on time, order or threads is written, but for run.log, timings.json and each training's log.txt.
 */
public final class Pipeline {
    private final DistillConfig config;
    private final Provenance provenance;
    private final Answerer answerer;
    private final Tuner tuner;
    private final Progress progress;
    private final Task task;

    public Pipeline(DistillConfig config, Provenance provenance, Answerer answerer, Tuner tuner, Progress progress) {
        this.config = config;
        this.provenance = provenance;
        this.answerer = answerer;
        this.tuner = tuner;
        this.progress = progress;
        this.task = config.data().makeTask();
    }

    /**
     * Refuses what {@link #run} would refuse before its first stage: to be asked before a large model is loaded.
     *
     * @throws org.ingrain.tensor.InputException if the settings do not fit together, the data cannot be used, or the folder was made with
     *                                           other settings
     */
    public static void check(DistillConfig config, Provenance provenance, Path folder) {
        check(config, Dataset.load(config.data()));
        RunFolder.check(folder, Settings.of(config, provenance));
    }

    /**
     * Refuses settings that do not fit together or do not fit the data.
     *
     * @throws org.ingrain.tensor.InputException naming the first of them
     */
    public static void check(DistillConfig config, Dataset data) {
        if (config.teach().stages() > 0 && config.curation().target() == Target.RESPONSE) {
            throw new InputException("--stages: " + config.teach().stages() + " beside --target response, expected --target answer: the last stage"
                    + " teaches the answer without the words before it");
        }
        Task task = config.data().makeTask();
        if (config.curation().target() == Target.ANSWER) {
            config.method().requireAnswer(task);
        }
        for (Student student : Student.first(config)) {
            new Curation(student.curation(), task, student.method(), Round.plan(config, task, student)).check();
        }
        task.requireOrders("--orders", config.curation().orders(), data.pool());
        if (!data.test().isEmpty()) {
            Evaluation evaluation = new Evaluation(config.evaluate(), task, data.test());
            List.of(Methods.direct(), config.method()).forEach(evaluation::check);
            config.evaluate().baselines().forEach(evaluation::check);
        }
    }

    /**
     * Runs what is not done yet.
     *
     * @throws org.ingrain.tensor.InputException as {@link #check} does
     */
    public Outcome run(Path folder) {
        Dataset data = Dataset.load(config.data());
        check(config, data);
        Manifest manifest = Settings.of(config, provenance);
        try (RunFolder run = RunFolder.open(folder, manifest)) {
            run.log().say("begun, or taken up again");
            Outcome outcome = new Stages(run, data, manifest).all();
            answerer.fallbacks().forEach((what, calls) -> run.log().say("fallback, " + calls + " calls: " + what));
            run.log().say("ended");
            return outcome;
        }
    }

    /** What of a run depends on the model's answers. */
    private final class Stages {
        private final RunFolder run;
        private final Dataset data;
        private final Manifest manifest;
        private final Round round;
        private final Method direct = Methods.direct();
        private final List<Student> students = new ArrayList<>();
        private final List<Taught> taught = new ArrayList<>();
        private final Map<String, Ledger.Summary> ledgers = new LinkedHashMap<>();
        private final Map<String, Tuner.Tuned> trained = new LinkedHashMap<>();

        Stages(RunFolder run, Dataset data, Manifest manifest) {
            this.run = run;
            this.data = data;
            this.manifest = manifest;
            round = new Round(config, task, data.pool(), run, new Round.Workers(answerer, tuner), progress);
        }

        Outcome all() {
            writeData();
            List<Student> first = Student.first(config);
            for (Student student : first) {
                if (!teach(student) && student == first.getFirst()) {
                    return nothing(ledgers.get(student.name()));
                }
            }
            students.forEach(this::train);
            for (int number = 2; number <= config.teach().rounds(); number++) {
                Student before = students.stream().filter(this::isMain).toList().getLast();
                Student next = Student.main(config, number, new ModelState.Adapter(adapter(before)));
                if (!teach(next)) {
                    run.log().say("round " + number + " kept nothing, so the rounds end");
                    break;
                }
                train(next);
            }
            List<ArmResult> arms = data.test().isEmpty() ? List.of() : evaluate();
            Report report = new Report(task.name(), config.method().title(), manifest, Report.Sizes.of(data), arms, ledgers, trained);
            Plan plan = Round.plan(config, task, Student.main(config, 1, new ModelState.Base()));
            new Publication(run.path(), report, new Asked(plan, config.method().marks(task.name())), taught).write();
            return new Outcome.Done(report, run.path());
        }

        private void writeData() {
            if (!Files.exists(run.file("data/test.jsonl"))) {
                JsonLines.write(run.file("data/pool.jsonl"), data.pool());
                JsonLines.write(run.file("data/test.jsonl"), data.test());
            }
        }

        /** Samples and curates; false if nothing was kept. */
        private boolean teach(Student student) {
            Ledger.Summary summary = round.teach(student);
            ledgers.put(student.name(), summary);
            taught.add(new Taught(student.name(), student.title(), student.folder(), round.folders(student)));
            boolean kept = !Round.nothingKept(summary);
            if (kept) {
                students.add(student);
            }
            return kept;
        }

        private void train(Student student) {
            trained.put(student.name(), round.train(student));
        }

        private Path adapter(Student student) {
            return run.file(student.folder() + "training").resolve(trained.get(student.name()).adapter());
        }

        private boolean isMain(Student student) {
            return student.name().startsWith("distilled") && !student.name().equals("distilled-system-1");
        }

        /** In the order of the paper's table, then round by round. */
        private List<ArmResult> evaluate() {
            List<Arm> arms = new ArrayList<>();
            arms.add(new Arm("system-1", direct.title(), direct, new ModelState.Base()));
            arms.add(new Arm("system-2", config.method().title(), config.method(), new ModelState.Base()));
            config.evaluate().baselines().forEach(method ->
                    arms.add(new Arm("baseline-" + method.name(), method.title(), method, new ModelState.Base())));
            students.stream().filter(student -> !isMain(student)).forEach(student -> arms.add(arm(student)));
            for (Student student : students.stream().filter(this::isMain).toList()) {
                if (student.round() > 1) {
                    arms.add(new Arm("system-2-round-" + student.round(), config.method().title() + ", round " + student.round(),
                            config.method(), student.teacher()));
                }
                arms.add(arm(student));
            }
            Evaluation evaluation = new Evaluation(config.evaluate(), task, data.test());
            return arms.stream().map(arm -> evaluation.measure(arm, run.file("evaluation/" + arm.name()), answerer,
                    new Stopwatch("evaluate " + arm.name(), "answers", run.log(), progress))).toList();
        }

        private Arm arm(Student student) {
            return new Arm(student.name(), student.title(), direct, new ModelState.Adapter(adapter(student)));
        }

        private Outcome nothing(Ledger.Summary summary) {
            List<String> reasons = summary.reasons().entrySet().stream().map(entry -> entry.getValue() + " " + entry.getKey()).toList();
            String line = "nothing to train on: curation kept none of " + summary.total().examples() + " examples ("
                    + String.join(", ", reasons) + "); see " + run.file("ledger.jsonl");
            run.log().say(line);
            return new Outcome.NothingKept(line);
        }
    }
}
