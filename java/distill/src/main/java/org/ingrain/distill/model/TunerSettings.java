package org.ingrain.distill.model;

/** How a {@link Tuner} trains: a part of a run's settings. The pipeline needs to know the size of a training alone. */
public interface TunerSettings {
    /** Rows of one optimizer step. */
    int rowsPerStep();

    /** Optimizer steps of a training on this number of rows. */
    long steps(long rows);
}
