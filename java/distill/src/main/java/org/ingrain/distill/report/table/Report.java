package org.ingrain.distill.report.table;

import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.task.Dataset;
import org.ingrain.files.Manifest;

/**
 * The result of a run, which is written to {@code report.json}. A report contains no times or dates, so that equal runs
 * write equal bytes.
 *
 * @param task     name of the task
 * @param method   title of the System 2 method
 * @param manifest settings of the run and digests of the run's files
 * @param arms     results of the evaluated arms; empty if the data has no test questions
 * @param ledgers  summary of the ledger of each student, by name
 * @param training result of the last training of each student, by name; students for which curation kept no example are
 *                 missing
 */
public record Report(String task, String method, Manifest manifest, Sizes sizes, List<ArmResult> arms,
                     Map<String, Ledger.Summary> ledgers, Map<String, Tuner.Tuned> training) {
    /**
     * Counts of the questions in the data.
     *
     * @param pool    questions to distil on
     * @param test    questions to evaluate on
     * @param dropped questions that were removed from the pool because they are also test questions
     */
    public record Sizes(int pool, int test, int dropped) {
        public static Sizes of(Dataset data) {
            return new Sizes(data.pool().size(), data.test().size(), data.dropped());
        }
    }

    /** The result table as text for a terminal; lines end with \n. */
    public String table() {
        StringBuilder text = new StringBuilder(heading()).append("\n\n");
        text.append(arms.isEmpty() ? "not evaluated: the questions come without answers\n" : Tables.arms(arms).text())
                .append('\n');
        ArmResult.bySet(arms).forEach((set, own) -> text.append(set).append(":\n").append(Tables.arms(own).text())
                .append('\n'));
        ledgers.forEach((student, summary) -> text.append(student).append(": ").append(Tables.kept(summary))
                .append('\n'));
        return text.toString();
    }

    /**
     * A note on the columns of majority votes, for the text below the result table; empty if there are no such columns.
     */
    public String aboutVotes() {
        return Tables.aboutVotes(Tables.shares(arms.stream().map(ArmResult::shares)));
    }

    public String heading() {
        return task + ", " + method + ": " + sizes.pool() + " questions distilled on, " + sizes.test() + " held out";
    }
}
