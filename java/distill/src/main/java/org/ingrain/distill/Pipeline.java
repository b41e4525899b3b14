package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.report.Report;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Json;
import org.ingrain.distill.run.JsonLines;
import org.ingrain.distill.run.Manifest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Weights;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.train.Tuner;

/**
 * Distils System 2 into System 1 (arXiv:2407.06023): sample, curate, train, evaluate, report, in one run folder.
 *
 * <p>Each stage is a function of the files before it and writes its own at once and whole, or line by line into a log that is then
 * sorted; so a run that was killed, at any instant and any number of times, goes on where it was and ends with the same bytes. Nothing
 * that depends on time, order or threads is written, but for run.log and timings.json.
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
     * @throws org.ingrain.tensor.InputException if the data cannot be used, or the folder was made with other settings
     */
    public static void check(DistillConfig config, Provenance provenance, Path folder) {
        Dataset.load(config.data());
        RunFolder.check(folder, Settings.of(config, provenance));
    }

    /**
     * Runs what is not done yet.
     *
     * @throws org.ingrain.tensor.InputException if the data cannot be used, or the folder was made with other settings
     */
    public Outcome run(Path folder) {
        Dataset data = Dataset.load(config.data());
        planOf(config.method());
        Manifest manifest = Settings.of(config, provenance);
        try (RunFolder run = RunFolder.open(folder, manifest)) {
            run.log().say("begun, or taken up again");
            Outcome outcome = new Stages(run, data, manifest).all();
            run.log().say("ended");
            return outcome;
        }
    }

    private Plan planOf(Method method) {
        List<Integer> samples = config.sample().samples();
        // The control's direct answers are as many as System 2's first step has samples.
        List<Integer> own = method == config.method() ? samples : samples.subList(0, Math.min(samples.size(), 1));
        SampleConfig sampling = new SampleConfig(own, config.sample().params(), config.sample().seed());
        return method.plan(task.name(), sampling, "sample", new Weights.Base());
    }

    /** One run through the stages. */
    private final class Stages {
        private final RunFolder run;
        private final Dataset data;
        private final Manifest manifest;
        private final Method direct = Methods.direct();

        Stages(RunFolder run, Dataset data, Manifest manifest) {
            this.run = run;
            this.data = data;
            this.manifest = manifest;
        }

        Outcome all() {
            writeData();
            List<Student> students = students();
            Map<String, Ledger.Summary> ledgers = new LinkedHashMap<>();
            for (Student student : students) {
                Ledger.Summary summary = teach(student);
                if (nothingKept(summary) && student == students.getFirst()) {
                    return nothing(summary);
                }
                ledgers.put(student.name(), summary);
            }
            students = students.stream().filter(student -> !nothingKept(ledgers.get(student.name()))).toList();
            Map<String, Tuner.Tuned> trained = new LinkedHashMap<>();
            for (Student student : students) {
                trained.put(student.name(), train(student));
            }
            List<ArmResult> arms = data.test().isEmpty() ? List.of() : evaluate(students, trained);
            Report report = new Report(task.name(), config.method().title(), manifest, Report.Sizes.of(data), arms, ledgers, trained);
            AtomicFile.write(run.file("report.json"), Json.pretty(report));
            AtomicFile.write(run.file("report.md"), report.markdown(planOf(config.method()), config.method().marks(task.name())));
            return new Outcome.Done(report, run.path());
        }

        private void writeData() {
            if (!Files.exists(run.file("data/test.jsonl"))) {
                JsonLines.write(run.file("data/pool.jsonl"), data.pool());
                JsonLines.write(run.file("data/test.jsonl"), data.test());
            }
        }

        private List<Student> students() {
            CurationConfig curation = config.curation();
            String title = config.method().title();
            List<Student> students = new ArrayList<>();
            students.add(new Student("distilled", "Distilled " + title, "", "samples.jsonl", config.method(), curation));
            for (Control control : config.evaluate().controls()) {
                students.add(switch (control) {
                    case DISTILLED_SYSTEM_1 -> new Student("distilled-system-1", "Distilled System 1", "controls/distilled-system-1/",
                            "controls/distilled-system-1/samples.jsonl", direct, curation);
                    case UNFILTERED -> new Student("unfiltered", "Distilled " + title + ", no filter", "controls/unfiltered/",
                            "samples.jsonl", config.method(), curation.unfiltered());
                });
            }
            return students;
        }

        /** Samples and curates. */
        private Ledger.Summary teach(Student student) {
            Plan plan = planOf(student.method());
            Path samples = run.file(student.samples());
            new Sampling(plan, data.pool(), answerer).run(samples, watch(student.stage("sample"), "samples"));
            Ledger ledger = new Ledger(run.file(student.ledger()));
            ledger.make(samples, data.pool(), new Curation(student.curation(), task, student.method()));
            Ledger.Summary summary = ledger.summary();
            Path rows = run.file(student.folder() + "train.jsonl");
            if (!nothingKept(summary) && !Files.exists(rows)) {
                ledger.writeTraining(rows, run.file(student.folder() + "validation.jsonl"), planOf(direct), student.curation());
            }
            return summary;
        }

        private Tuner.Tuned train(Student student) {
            Path done = run.file(student.folder() + "training.json");
            if (!Files.exists(done)) {
                Stopwatch watch = watch(student.stage("train"), "steps");
                Tuner.Tuned tuned = tuner.tune(new Tuner.Job(run.file(student.folder() + "train.jsonl"),
                        run.file(student.folder() + "validation.jsonl"), run.file(student.folder() + "training"),
                        student.stage("train")), progress);
                watch.stop();
                AtomicFile.write(done, Json.pretty(tuned));
            }
            return Json.parse(AtomicFile.read(done), Tuner.Tuned.class, done.toString());
        }

        /** In the order of the paper's table. */
        private List<ArmResult> evaluate(List<Student> students, Map<String, Tuner.Tuned> trained) {
            List<Arm> arms = new ArrayList<>();
            arms.add(new Arm("system-1", direct.title(), direct, new Weights.Base()));
            arms.add(new Arm("system-2", config.method().title(), config.method(), new Weights.Base()));
            List<Student> ordered = new ArrayList<>(students.subList(1, students.size()));
            ordered.add(students.getFirst());
            for (Student student : ordered) {
                Path adapter = run.file(student.folder() + "training").resolve(trained.get(student.name()).adapter());
                arms.add(new Arm(student.name(), student.title(), direct, new Weights.Adapter(adapter)));
            }
            Evaluation evaluation = new Evaluation(config.evaluate(), task, data.test());
            return arms.stream().map(arm -> evaluation.measure(arm, run.file("evaluation/" + arm.name()), answerer,
                    watch("evaluate " + arm.name(), "answers"))).toList();
        }

        private Stopwatch watch(String stage, String unit) {
            return new Stopwatch(stage, unit, run.log(), progress);
        }

        private boolean nothingKept(Ledger.Summary summary) {
            return summary.total().labels() == 0;
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
