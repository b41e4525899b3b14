package org.ingrain.train.pass;

/**
 * Learning rate schedules after a linear warm-up. The learning rates equal those of transformers' get_scheduler for
 * constant_with_warmup, linear, cosine and cosine_with_min_lr.
 */
public enum Schedule {
    CONSTANT, LINEAR, COSINE;

    /**
     * The factor by which the schedule multiplies the difference between the maximum and the minimum learning rate. The
     * factor is 1 at the end of the warm-up and 0 at the end of the run; for CONSTANT it is always 1.
     *
     * @param progress 0 at the end of the warm-up, 1 at the end of the run
     */
    double remaining(double progress) {
        return switch (this) {
            case CONSTANT -> 1;
            case LINEAR -> 1 - progress;
            case COSINE -> 0.5 * (1 + Math.cos(Math.PI * progress));
        };
    }
}
