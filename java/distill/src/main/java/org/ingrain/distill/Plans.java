package org.ingrain.distill;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.Judging;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.method.Method;
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

/** The sampling plans of a run's stages, used by the run and by its forecast. */
record Plans(DistillConfig<?> config, Task task) {
    /** Plan of the samples that a student is trained on. */
    Plan sample(Student student, ModelState teacher) {
        String purpose = student.round() == 1 ? "sample" : "sample round " + student.round();
        if (student.method().equals(config.method())) {
            return student.method().plan(task, config.sample(), purpose, teacher);
        }
        return student.method().plan(task, samples(controlSamples(purpose, teacher)), purpose, teacher);
    }

    /**
     * Number of direct answers per question for the control student that learns the answers of System 1. The default is
     * the number of answers that vote on a label of System 2, so that the same rule applies to the labels of both
     * systems. If each step of the method has its own vote, the default is the number of voters of the first step.
     */
    private int controlSamples(String purpose, ModelState teacher) {
        int own = config.evaluate().controlSamples();
        Plan plan = config.method().plan(task, config.sample(), purpose, teacher);
        return own > 0 ? own : new Curation(config.curation(), task, config.method(), plan).voters();
    }

    /** The weights of the teacher of the first round. */
    ModelState teacher() {
        return config.teach().otherTeacher() ? new ModelState.Teacher() : new ModelState.Base();
    }

    /** Whether the student's samples are imported from a file. If not, they are drawn from a model. */
    boolean imports(Student student) {
        return config.imported() != null && student.round() == 1 && student.method().equals(config.method());
    }

    /** Plan of the method {@code direct}. Students are trained and evaluated with the prompt of this plan. */
    Plan direct() {
        return Methods.direct().plan(task, samples(1), "sample", new ModelState.Base());
    }

    /**
     * Returns the rule for early stopping. This rule uses the curation settings of the run, not of the student, because
     * students with the same method share their samples.
     */
    Stopping stopping(Student student, Plan plan) {
        return new Curation(config.curation(), task, student.method(), plan).stopping();
    }

    Curation curation(Student student, ModelState teacher) {
        return new Curation(student.curation(), task, student.method(), sample(student, teacher));
    }

    /** The sampling in which the teacher selects one of its own responses, or compares its responses in pairs. */
    Sampling selection(Student student, ModelState teacher, Answerer answerer, Path samples, List<Example> examples) {
        return new Sampling(selection(student, teacher), Stopping.NEVER,
                selectionQuestions(student, samples, examples), answerer);
    }

    Plan selection(Student student, ModelState teacher) {
        return judges() ? judging(student).plan(config.sample(), teacher)
                : universal(student).plan(config.sample(), teacher);
    }

    /**
     * The method of the selection. The forecast reads the maximum number of branches from it. For rule
     * {@code universal}, the returned method has no effect, because the selection of this rule does not branch.
     */
    Method selector(Student student) {
        return judges() ? config.curation().judge() : student.method();
    }

    /** Maximum number of questions that the selection asks about the responses to one example. */
    int mostSelections(Student student) {
        return judges() ? Judging.most(sample(student, new ModelState.Base()).leaves()) : 1;
    }

    /**
     * The questions in which the model is asked about the responses in a file of samples. For rule {@code universal},
     * each example has one question, which lists its responses. For rule {@code judge}, see {@link Judging#questions}.
     */
    List<Example> selectionQuestions(Student student, Path samples, List<Example> examples) {
        return judges() ? judging(student).questions(samples, examples)
                : universal(student).questions(samples, examples);
    }

    private boolean judges() {
        return config.curation().rule() == Rule.JUDGE;
    }

    private Judging judging(Student student) {
        return new Judging(config.curation(), task, student.method());
    }

    private UniversalSelfConsistency universal(Student student) {
        return new UniversalSelfConsistency(task, student.method(), config.curation().selector());
    }

    /** Whether students are trained on whole responses, at least in their first training. */
    boolean wholeResponses() {
        return config.curation().target() == Target.RESPONSE || config.teach().stages() > 0;
    }

    /** The gold answer as it would be written in a training target; {@code yes} if the question has no gold answer. */
    String known(Example example) {
        return example.known().flatMap(gold -> task.extract(example, gold)).or(example::known).orElse("yes");
    }

    /** The presentation orders in which a question of the pool is asked. */
    List<Example> poolOrders(Example example) {
        return task.orders(example, config.curation().orders());
    }

    /** The presentation orders in which a test question is asked. */
    List<Example> testOrders(Example example) {
        return task.orders(example, config.evaluate().orders());
    }

    private SampleConfig samples(int samples) {
        return new SampleConfig(List.of(samples), config.sample().params());
    }
}
