package org.ingrain.distill;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;

/**
 * A model to be trained, with the method and the teacher that generate its training examples, and the curation
 * settings.
 *
 * @param name    name of this student's arm in the evaluation
 * @param title   title in tables
 * @param folder  folder of this student's files, relative to the run folder; empty, or with a slash at the end
 * @param samples file of the samples, relative to the run folder; students of the same round and method share this file
 * @param teacher the student of the previous round. It generates the samples, and the training starts from its weights.
 *                Null in the first round
 * @param round   number of the round, from 1
 * @param parts   number of trainings before the last one. From one training to the next, the targets contain fewer
 *                words of reasoning. 0: a single training on the answer alone
 */
record Student(Role role, String name, String title, String folder, String samples, Method method,
        CurationConfig curation, Student teacher, int round, int parts) {
    private static final String SAMPLES = "samples.jsonl";

    /** The main student of a run, in the first round. */
    static Student main(DistillConfig<?> config) {
        return new Student(Role.DISTILLED, "distilled", "Distilled " + config.method().title(), "", SAMPLES,
                config.method(), config.curation(), null, 1, parts(config, config.method()));
    }

    /** The student of the next round; this student is its teacher. */
    Student next(DistillConfig<?> config) {
        int number = round + 1;
        String own = "round-" + number + "/";
        return new Student(role, "distilled-round-" + number, main(config).title() + ", round " + number, own,
                own + SAMPLES, method, curation, this, number, parts);
    }

    /** The students of the first round: the main student, then the controls. */
    static List<Student> first(DistillConfig<?> config) {
        Student main = main(config);
        List<Student> all = new ArrayList<>(List.of(main));
        for (Control control : config.evaluate().controls()) {
            all.add(switch (control) {
                case DISTILLED_SYSTEM_1 -> new Student(Role.DISTILLED_SYSTEM_1, "distilled-system-1",
                        "Distilled System 1", "controls/distilled-system-1/", "controls/distilled-system-1/" + SAMPLES,
                        Methods.direct(), config.curation(), null, 1, parts(config, Methods.direct()));
                case UNFILTERED -> new Student(Role.UNFILTERED, "unfiltered", main.title() + ", no filter",
                        "controls/unfiltered/", main.samples(), config.method(), config.curation().unfiltered(), null,
                        1, main.parts());
            });
        }
        return all;
    }

    /**
     * Returns the number of trainings before the last training of a student of this method; see {@code parts}. Returns
     * 0 for the method {@code direct}, which has no reasoning.
     */
    private static int parts(DistillConfig<?> config, Method method) {
        return method.equals(Methods.direct()) ? 0 : config.teach().stages();
    }

    /**
     * Whether the run fails if curation keeps no example for this student. This is true only for the main student of
     * the first round.
     */
    boolean isRequired() {
        return role == Role.DISTILLED && round == 1;
    }

    /** Whether this student has its own samples; false if it uses the samples of another student of the same method. */
    boolean ownsSamples() {
        return samples.equals(folder + SAMPLES);
    }

    String ledger() {
        return folder + "ledger.jsonl";
    }

    String selections() {
        return folder + "selections.jsonl";
    }

    String verdicts() {
        return folder + "verdicts.jsonl";
    }

    /** Folder of one training, relative to the run folder. For the last training, it is the student's own folder. */
    String folder(int part) {
        return part == parts ? folder : folder + "stages/" + part + "/";
    }

    /** Folders of all trainings of this student, in the order of training. */
    List<String> folders() {
        return IntStream.rangeClosed(0, parts).mapToObj(this::folder).toList();
    }

    /** Name of a stage of this student in progress lines, timings and forecasts. */
    String stage(String stage) {
        return folder.isEmpty() ? stage : stage + " " + name;
    }
}
