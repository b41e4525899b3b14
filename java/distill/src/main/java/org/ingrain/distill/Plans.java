package org.ingrain.distill;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.method.UniversalSelfConsistency;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/** How the stages of a run ask the model: the same for the run itself and for its forecast. */
record Plans(DistillConfig<?> config, Task task) {
    /** How a student's teacher is asked for the answers to learn from. */
    Plan sample(Student student, ModelState teacher) {
        String purpose = student.round() == 1 ? "sample" : "sample round " + student.round();
        if (student.method().equals(config.method())) {
            return student.method().plan(task, config.sample(), purpose, teacher);
        }
        // The control gives as many direct answers as System 2 does.
        int answers = config.method().plan(task, config.sample(), purpose, teacher).leaves();
        return student.method().plan(task, samples(answers), purpose, teacher);
    }

    /** How the student will be asked. */
    Plan direct() {
        return Methods.direct().plan(task, samples(1), "sample", new ModelState.Base());
    }

    /** Students of one method share its samples, so sampling stops by the run's own rule, whatever the student's. */
    Stopping stopping(Student student, Plan plan) {
        return new Curation(config.curation(), task, student.method(), plan).stopping();
    }

    Curation curation(Student student, ModelState teacher) {
        return new Curation(student.curation(), task, student.method(), sample(student, teacher));
    }

    /** Asks the teacher which of its own responses is the most consistent. */
    Sampling selection(Student student, ModelState teacher, Answerer answerer, Path samples, List<Example> examples) {
        UniversalSelfConsistency universal = new UniversalSelfConsistency(task, student.method());
        return new Sampling(universal.plan(config.sample(), teacher), Stopping.NEVER,
                universal.questions(samples, examples), answerer);
    }

    private SampleConfig samples(int samples) {
        return new SampleConfig(List.of(samples), config.sample().params());
    }
}
