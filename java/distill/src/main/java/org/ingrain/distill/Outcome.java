package org.ingrain.distill;

import java.nio.file.Path;
import org.ingrain.distill.report.table.Report;

/** How a run ended. */
public sealed interface Outcome {
    /**
     * All stages are done.
     *
     * @param folder of the run
     */
    record Done(Report report, Path folder) implements Outcome {
    }

    /**
     * Curation kept no example, so there is nothing to train on; the ledger says why.
     *
     * @param line to tell the user
     */
    record NothingKept(String line) implements Outcome {
    }
}
