package org.ingrain.distill.report.table;

import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.task.Dataset;
import org.ingrain.files.Manifest;

/**
 * The result of a run: {@code report.json}. It has no times or dates, so that equal runs write equal bytes.
 *
 * @param task     name of the task
 * @param method   title of System 2
 * @param manifest settings and fingerprints
 * @param arms     rows of the table; none if no gold answers are known
 * @param ledgers  summaries of the ledgers by student
 * @param training results of the trainings by student; without students whose curation kept nothing
 */
public record Report(String task, String method, Manifest manifest, Sizes sizes, List<ArmResult> arms,
                     Map<String, Ledger.Summary> ledgers, Map<String, Tuner.Tuned> training) {
    /**
     * Numbers of questions.
     *
     * @param pool    questions to distil on
     * @param test    questions to evaluate on
     * @param dropped questions left out of the pool because they are also in the test
     */
    public record Sizes(int pool, int test, int dropped) {
        public static Sizes of(Dataset data) {
            return new Sizes(data.pool().size(), data.test().size(), data.dropped());
        }
    }

    /** The table for a terminal; lines end with \n. */
    public String table() {
        StringBuilder text = new StringBuilder(heading()).append("\n\n");
        text.append(arms.isEmpty() ? "not evaluated: the questions come without answers\n" : Tables.arms(arms).text())
                .append('\n');
        ledgers.forEach((student, summary) -> text.append(student).append(": ").append(Tables.kept(summary))
                .append('\n'));
        return text.toString();
    }

    /** A note that several majority votes are shown, and which of them accuracy and #Tokens belong to. */
    public String aboutVotes() {
        return Tables.aboutVotes(Tables.shares(arms.stream().map(ArmResult::shares)));
    }

    public String heading() {
        return task + ", " + method + ": " + sizes.pool() + " questions distilled on, " + sizes.test() + " held out";
    }
}
