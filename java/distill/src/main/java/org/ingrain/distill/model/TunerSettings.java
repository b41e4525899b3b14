package org.ingrain.distill.model;

/** Settings of a {@link Tuner}, a part of the settings of a run. The pipeline only needs the size of a training. */
public interface TunerSettings {
    /** Rows per optimizer step. */
    int rowsPerStep();

    /** Number of optimizer steps of a training on this number of rows. */
    long steps(long rows);
}
