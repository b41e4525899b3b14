package org.ingrain.distill.model;

/** Training settings of a {@link Tuner}, as far as the pipeline uses them. */
public interface TunerSettings {
    /** Whether a training changes all weights, so that its result is a whole model and not an adapter. */
    default boolean full() {
        return false;
    }

    /** Number of rows per optimizer step. */
    int rowsPerStep();

    /** Number of optimizer steps of a training on this number of rows. */
    long steps(long rows);
}
