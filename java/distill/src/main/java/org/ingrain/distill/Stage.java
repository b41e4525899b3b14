package org.ingrain.distill;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;

/**
 * One stage of a run. A run is an ordered list of stages. {@link Pipeline} executes the list; {@link Forecast} executes
 * some stages of a run on a few questions.
 *
 * <p>If curation keeps no training example for a student, the later stages of this student are skipped. All later
 * rounds are skipped too, because this student would be the teacher of the next round.
 */
sealed interface Stage {
    /** Name of the stage in progress lines, timings and forecasts. */
    String name();

    StageKind kind();

    /** Whether the stage needs a model, for sampling or for training. */
    default boolean usesModel() {
        return !(this instanceof Curate || this instanceof Verify);
    }

    /** The student that the stage belongs to; null for an evaluation that belongs to no student. */
    Student student();

    /** Samples the student's method on all questions of the pool. */
    record Sample(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("sample");
        }

        @Override
        public StageKind kind() {
            return StageKind.SAMPLE;
        }
    }

    /** Lets the student's teacher select one of the teacher's own responses, or compare these responses in pairs. */
    record Select(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("select");
        }

        @Override
        public StageKind kind() {
            return StageKind.SAMPLE;
        }
    }

    /** Verifies the answers with the user's program. */
    record Verify(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("verify");
        }

        @Override
        public StageKind kind() {
            return StageKind.CURATE;
        }
    }

    /** Writes the ledger and the training rows. */
    record Curate(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("curate");
        }

        @Override
        public StageKind kind() {
            return StageKind.CURATE;
        }
    }

    /**
     * Trains a student.
     *
     * @param part index of the training, from 0 to {@code student.parts()}; the last training uses the answer alone
     */
    record Train(Student student, int part) implements Stage {
        @Override
        public String name() {
            return student.stage(part == student.parts() ? "train" : "train stage " + part);
        }

        @Override
        public StageKind kind() {
            return StageKind.TRAIN;
        }
    }

    /**
     * Evaluates one arm.
     *
     * @param arm       name of the arm
     * @param student   the student to evaluate. For System 2, the teacher of this student is evaluated. Null for System
     *                  1 and the baselines, which use the base model or the teacher of the first round
     * @param ofTeacher whether the teacher of the first round is evaluated
     */
    record Evaluate(Role role, String arm, String title, Method method, Student student, boolean ofTeacher)
            implements Stage {
        /** The evaluation of the base model or of a student. */
        Evaluate(Role role, String arm, String title, Method method, Student student) {
            this(role, arm, title, method, student, false);
        }

        @Override
        public String name() {
            return "evaluate " + arm;
        }

        @Override
        public StageKind kind() {
            return StageKind.EVALUATE;
        }

        /**
         * The student whose weights are evaluated; null if the base model or the teacher of the first round is
         * evaluated.
         */
        Student asked() {
            return role == Role.SYSTEM_2 ? student.teacher() : student;
        }
    }

    /**
     * All stages of a run, in the order of execution.
     *
     * @param evaluated whether the run has test questions
     */
    static List<Stage> of(DistillConfig<?> config, boolean evaluated) {
        List<Student> first = Student.first(config);
        List<Student> mains = new ArrayList<>(first.subList(0, 1));
        List<Stage> stages = new ArrayList<>();
        first.forEach(student -> teach(student, stages));
        first.forEach(student -> train(student, stages));
        while (mains.size() < config.teach().rounds()) {
            mains.add(mains.getLast().next(config));
            teach(mains.getLast(), stages);
            train(mains.getLast(), stages);
        }
        if (evaluated) {
            evaluate(config, first.subList(1, first.size()), mains, stages);
        }
        return stages;
    }

    private static void teach(Student student, List<Stage> stages) {
        if (student.ownsSamples()) {
            stages.add(new Sample(student));
        }
        if (student.curation().rule().asksModel()) {
            stages.add(new Select(student));
        }
        if (student.curation().verifier() != null) {
            stages.add(new Verify(student));
        }
        stages.add(new Curate(student));
    }

    private static void train(Student student, List<Stage> stages) {
        for (int part = 0; part <= student.parts(); part++) {
            stages.add(new Train(student, part));
        }
    }

    /**
     * Adds the evaluations of the first round in the order of the paper's table, then the evaluations of the later
     * rounds.
     */
    private static void evaluate(DistillConfig<?> config, List<Student> controls, List<Student> mains,
            List<Stage> stages) {
        Method direct = Methods.direct();
        Method method = config.method();
        boolean other = config.teach().otherTeacher();
        stages.add(new Evaluate(Role.SYSTEM_1, "system-1", direct.title() + (other ? " of the student" : ""), direct,
                null));
        if (other) {
            stages.add(new Evaluate(Role.BASELINE, "teacher-system-1", direct.title() + " of the teacher", direct, null,
                    true));
        }
        stages.add(new Evaluate(Role.SYSTEM_2, "system-2", method.title() + (other ? " of the teacher" : ""), method,
                mains.getFirst(), true));
        config.evaluate().baselines().forEach(baseline ->
                stages.add(new Evaluate(Role.BASELINE, "baseline-" + baseline.name(), baseline.title(), baseline,
                        null)));
        controls.forEach(control -> stages.add(distilled(control)));
        for (Student main : mains) {
            if (main.round() > 1) {
                stages.add(new Evaluate(Role.SYSTEM_2, "system-2-round-" + main.round(),
                        method.title() + ", round " + main.round(), method, main));
            }
            stages.add(distilled(main));
        }
        if (config.evaluate().systemTwoAfter()) {
            stages.add(new Evaluate(Role.SYSTEM_2_DISTILLED, "system-2-distilled",
                    method.title() + " by the distilled model", method, mains.getLast()));
        }
    }

    private static Evaluate distilled(Student student) {
        return new Evaluate(student.role(), student.name(), student.title(), Methods.direct(), student);
    }
}
