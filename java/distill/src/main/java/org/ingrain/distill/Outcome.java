package org.ingrain.distill;

import java.nio.file.Path;
import org.ingrain.distill.report.table.Report;

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
     * Curation kept no training example. The ledger states the reasons.
     *
     * @param line message for the user, one line
     */
    record NothingKept(String line) implements Outcome {
    }
}
