package org.ingrain.distill;

/**
 * Kinds of stages, in the order of execution. A run can end after the stages of one kind and be continued later. Its
 * files then have the same bytes as those of a run that was not divided.
 */
public enum StageKind {
    /** The teacher generates texts, and with rules {@code universal} and {@code judge} selects among them. */
    SAMPLE,
    /** Answers are verified and votes counted; ledger and training rows are written. This needs no weights. */
    CURATE,
    TRAIN,
    EVALUATE,
    /** The report is written from the files of the run. This needs no weights. */
    REPORT
}
