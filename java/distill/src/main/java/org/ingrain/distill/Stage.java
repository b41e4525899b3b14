package org.ingrain.distill;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;

/**
 * One stage of a run. The list of them is what a run does, in order: {@link Pipeline} executes it, {@link Forecast}
 * measures some of it.
 *
 * <p>Curation may leave a student nothing to learn from. Then its later stages, and all stages of the students that it
 * would teach, are skipped.
 */
sealed interface Stage {
    /** In progress, timings and forecasts. */
    String name();

    /** Whose stage it is; null for one that asks the model as it is, beside all students. */
    Student student();

    /** Draws the answers of the student's method. */
    record Sample(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("sample");
        }
    }

    /** Asks the model which of its own responses is the most consistent. */
    record Select(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("select");
        }
    }

    /** Writes the ledger and the rows to train on. */
    record Curate(Student student) implements Stage {
        @Override
        public String name() {
            return student.stage("curate");
        }
    }

    /** @param part from 0; the last one trains on the answer alone */
    record Train(Student student, int part) implements Stage {
        @Override
        public String name() {
            return student.stage(part == student.parts() ? "train" : "train stage " + part);
        }
    }

    /**
     * Measures one arm.
     *
     * @param arm    its name
     * @param student who is asked, or as System 2 whose teacher is; null: the model as it is
     */
    record Evaluate(Role role, String arm, String title, Method method, Student student) implements Stage {
        @Override
        public String name() {
            return "evaluate " + arm;
        }

        /** Whose weights answer; null: the model as it is. */
        Student asked() {
            return role == Role.SYSTEM_2 ? student.teacher() : student;
        }
    }

    /** @param evaluated whether there are questions to evaluate on */
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
        if (student.curation().rule() == Rule.UNIVERSAL) {
            stages.add(new Select(student));
        }
        stages.add(new Curate(student));
    }

    private static void train(Student student, List<Stage> stages) {
        for (int part = 0; part <= student.parts(); part++) {
            stages.add(new Train(student, part));
        }
    }

    /** In the order of the paper's table, then round by round. */
    private static void evaluate(DistillConfig<?> config, List<Student> controls, List<Student> mains,
            List<Stage> stages) {
        Method direct = Methods.direct();
        Method method = config.method();
        stages.add(new Evaluate(Role.SYSTEM_1, "system-1", direct.title(), direct, null));
        stages.add(new Evaluate(Role.SYSTEM_2, "system-2", method.title(), method, mains.getFirst()));
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
    }

    private static Evaluate distilled(Student student) {
        return new Evaluate(student.role(), student.name(), student.title(), Methods.direct(), student);
    }
}
