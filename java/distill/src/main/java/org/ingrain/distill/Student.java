package org.ingrain.distill;

import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.sample.Weights;

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
record Student(String name, String title, String folder, String samples, Method method, CurationConfig curation, Weights teacher,
               int round) {
    String ledger() {
        return folder + "ledger.jsonl";
    }

    /** Before the stage's name in progress and timings. */
    String stage(String stage) {
        return folder.isEmpty() ? stage : stage + " " + name;
    }
}
