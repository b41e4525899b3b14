package org.ingrain.distill.model;

/** Training settings of a {@link Tuner}. The pipeline uses only the number of steps and the rows per step. */
public interface TunerSettings {
    /** Number of rows per optimizer step. */
    int rowsPerStep();

    /** Number of optimizer steps of a training on this number of rows. */
    long steps(long rows);
}
