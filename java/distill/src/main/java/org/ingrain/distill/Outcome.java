package org.ingrain.distill;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.Tables;

/** The outcome of a run. */
public sealed interface Outcome {
    /**
     * The run has finished, and its report has been written.
     *
     * @param folder run folder
     */
    record Done(Report report, Path folder) implements Outcome {
    }

    /**
     * The run ended after the stages of the requested kind.
     *
     * @param last    kind of the last executed stages
     * @param ledgers summaries of the ledgers by student; empty if no curation was executed
     * @param folder  run folder
     */
    record Paused(StageKind last, Map<String, Ledger.Summary> ledgers, Path folder) implements Outcome {
        /** The result for the user, one line. */
        public String line() {
            String kept = ledgers.entrySet().stream().map(student -> student.getKey() + ": "
                    + Tables.kept(student.getValue())).collect(Collectors.joining("; "));
            return "ended after " + last.name().toLowerCase(Locale.ROOT) + (kept.isEmpty() ? "" : "; " + kept);
        }
    }

    /**
     * The run ended because curation kept no training example. The ledger states the reasons.
     *
     * @param line message for the user, one line
     */
    record NothingKept(String line) implements Outcome {
    }
}
