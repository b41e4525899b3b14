package org.ingrain.distill.report.table;

import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.task.Dataset;
import org.ingrain.files.Manifest;

/**
 * What a run found: {@code report.json}. Without times and dates, so that equal runs report equal bytes.
 *
 * @param task     its name
 * @param method   System 2's title
 * @param manifest settings and fingerprints
 * @param arms     rows of the table; none where no gold answers are known
 * @param ledgers  by student
 * @param training by student; one whose curation kept nothing is not in it
 */
public record Report(String task, String method, Manifest manifest, Sizes sizes, List<ArmResult> arms,
                     Map<String, Ledger.Summary> ledgers, Map<String, Tuner.Tuned> training) {
    /**
     * How many questions there were.
     *
     * @param pool    to distil on
     * @param test    to evaluate on
     * @param dropped left out of the pool because the test has them too
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

    /** A note, after the one about #Tokens: which of several majorities the figures are of. */
    public String aboutVotes() {
        return Tables.aboutVotes(Tables.shares(arms.stream().map(ArmResult::shares)));
    }

    public String heading() {
        return task + ", " + method + ": " + sizes.pool() + " questions distilled on, " + sizes.test() + " held out";
    }
}
