package org.ingrain.distill;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.sample.ModelState;

/**
 * Someone to be taught: by which method's answers, given by whom, curated how.
 *
 * @param name    of its arm in the evaluation
 * @param title   in tables
 * @param folder  of its files, from the run's folder; empty or with a slash at its end
 * @param samples file of the method's samples, from the run's folder; students of one method share it
 * @param teacher whose answers, and where the student's own weights start
 * @param round   from 1
 */
record Student(String name, String title, String folder, String samples, Method method, CurationConfig curation, ModelState teacher,
               int round) {
    /** The student that a run is for, in a round. */
    static Student main(DistillConfig config, int number, ModelState teacher) {
        String title = "Distilled " + config.method().title();
        return number == 1 ? new Student("distilled", title, "", "samples.jsonl", config.method(), config.curation(), teacher, 1)
                : new Student("distilled-round-" + number, title + ", round " + number, "round-" + number + "/",
                "round-" + number + "/samples.jsonl", config.method(), config.curation(), teacher, number);
    }

    /** All of the first round: the one that the run is for, then the controls. */
    static List<Student> first(DistillConfig config) {
        ModelState base = new ModelState.Base();
        Student main = main(config, 1, base);
        List<Student> all = new ArrayList<>(List.of(main));
        for (Control control : config.evaluate().controls()) {
            all.add(switch (control) {
                case DISTILLED_SYSTEM_1 -> new Student("distilled-system-1", "Distilled System 1", "controls/distilled-system-1/",
                        "controls/distilled-system-1/samples.jsonl", Methods.direct(), config.curation(), base, 1);
                case UNFILTERED -> new Student("unfiltered", main.title() + ", no filter", "controls/unfiltered/", main.samples(),
                        config.method(), config.curation().unfiltered(), base, 1);
            });
        }
        return all;
    }

    String ledger() {
        return folder + "ledger.jsonl";
    }

    /** Before the stage's name in progress and timings. */
    String stage(String stage) {
        return folder.isEmpty() ? stage : stage + " " + name;
    }
}
