package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Curriculum;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.method.UniversalSelfConsistency;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.train.Tuner;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * Teaches students in a run's folder: samples, curates, trains. What is done is not done again.
 *
 * @param pool     questions to distil on
 * @param progress is told of every stage
 */
record Round(DistillConfig config, Task task, List<Example> pool, RunFolder run, Workers workers, Progress progress) {
    /** Who answers and who trains. */
    record Workers(Answerer answerer, Tuner tuner) {
    }

    /** How a student's teacher is asked. */
    static Plan plan(DistillConfig config, Task task, Student student) {
        String purpose = student.round() == 1 ? "sample" : "sample round " + student.round();
        if (student.method().equals(config.method())) {
            return student.method().plan(task, config.sample(), purpose, student.teacher());
        }
        // The control gives as many direct answers as System 2 does.
        int answers = config.method().plan(task, config.sample(), purpose, student.teacher()).leaves();
        SampleConfig direct = new SampleConfig(List.of(answers), config.sample().params(), config.sample().seed());
        return student.method().plan(task, direct, purpose, student.teacher());
    }

    /** Samples and curates. */
    Ledger.Summary teach(Student student) {
        Plan plan = plan(config, task, student);
        Curation curation = new Curation(student.curation(), task, student.method(), plan);
        // Students of one method share its samples, which are drawn for the first of them.
        Stopping stopping = new Curation(config.curation(), task, student.method(), plan).stopping();
        List<List<Example>> sampled = orders(config.curation().orders());
        Path samples = run.file(student.samples());
        List<Example> asked = sampled.stream().flatMap(List::stream).toList();
        new Sampling(plan, stopping, asked, workers.answerer()).run(samples, watch(student.stage("sample"), "samples"));
        Ledger ledger = new Ledger(run.file(student.ledger()));
        ledger.make(samples, sampled, curation, selections(student, samples), teachable(student));
        Ledger.Summary summary = ledger.summary();
        if (!nothingKept(summary)) {
            writeRows(student, ledger, sampled);
        }
        return summary;
    }

    static boolean nothingKept(Ledger.Summary summary) {
        return summary.total().labels() == 0;
    }

    private List<List<Example>> orders(int orders) {
        return pool.stream().map(example -> task.orders(example, orders)).toList();
    }

    private Map<String, UniversalSelfConsistency.Selection> selections(Student student, Path samples) {
        if (student.curation().rule() != Rule.UNIVERSAL) {
            return Map.of();
        }
        Path file = run.file(student.folder() + "selections.jsonl");
        UniversalSelfConsistency universal = new UniversalSelfConsistency(task, student.method());
        new Sampling(universal.plan(config.sample(), student.teacher()), Stopping.NEVER, universal.questions(samples, pool), workers.answerer())
                .run(file, watch(student.stage("select"), "answers"));
        return UniversalSelfConsistency.selections(file);
    }

    /** What the tuner can train on at every stage. */
    private Ledger.Teachable teachable(Student student) {
        Plan direct = direct(student);
        Curriculum curriculum = new Curriculum(student.method(), stages(student));
        return (asked, entry, lesson) -> IntStream.rangeClosed(0, curriculum.stages()).allMatch(stage -> workers.tuner().fits(
                new Ledger.TrainingRow(direct.firstPrompt(asked), curriculum.words(stage, entry, lesson))));
    }

    /** Rows of the last stage in the student's folder, of those before it in theirs. */
    private void writeRows(Student student, Ledger ledger, List<List<Example>> examples) {
        Plan direct = direct(student);
        Curriculum curriculum = new Curriculum(student.method(), stages(student));
        for (int stage = 0; stage <= curriculum.stages(); stage++) {
            int now = stage;
            Path rows = run.file(folder(student, stage) + "train.jsonl");
            if (!Files.exists(rows)) {
                ledger.writeTraining(rows, run.file(folder(student, stage) + "validation.jsonl"), new Ledger.Rows(examples, direct,
                        student.curation(), (entry, lesson) -> curriculum.words(now, entry, lesson)));
            }
        }
    }

    /** How the student will be asked. */
    private Plan direct(Student student) {
        return Methods.direct().plan(task, new SampleConfig(List.of(1), config.sample().params(), config.sample().seed()), "sample",
                student.teacher());
    }

    /** Direct answers have no words to take away. */
    private int stages(Student student) {
        return student.method().equals(Methods.direct()) ? 0 : config.teach().stages();
    }

    /** Of the student's trainings, stage by stage, from the run's folder. */
    List<String> folders(Student student) {
        return IntStream.rangeClosed(0, stages(student)).mapToObj(stage -> folder(student, stage)).toList();
    }

    private String folder(Student student, int stage) {
        return stage == stages(student) ? student.folder() : student.folder() + "stages/" + stage + "/";
    }

    /** Trains all stages, each on from the one before; what is told of is the last. */
    Tuner.Tuned train(Student student) {
        Path from = student.teacher() instanceof ModelState.Adapter(Path adapter) ? adapter : null;
        Tuner.Tuned tuned = null;
        for (int stage = 0; stage <= stages(student); stage++) {
            String name = student.stage(stage == stages(student) ? "train" : "train stage " + stage);
            tuned = train(folder(student, stage), name, from);
            from = run.file(folder(student, stage) + "training").resolve(tuned.adapter());
        }
        return tuned;
    }

    private Tuner.Tuned train(String folder, String stage, Path from) {
        Path done = run.file(folder + "training.json");
        if (!Files.exists(done)) {
            Stopwatch watch = watch(stage, "steps");
            Tuner.Tuned tuned = workers.tuner().tune(new Tuner.Job(run.file(folder + "train.jsonl"), run.file(folder + "validation.jsonl"),
                    run.file(folder + "training"), stage, from), progress);
            watch.stop();
            DurableFile.write(done, Json.pretty(tuned));
        }
        return Json.parse(DurableFile.read(done), Tuner.Tuned.class, done.toString());
    }

    private Stopwatch watch(String stage, String unit) {
        return new Stopwatch(stage, unit, run.log(), progress);
    }
}
