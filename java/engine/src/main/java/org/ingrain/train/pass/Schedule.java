package org.ingrain.train.pass;

/**
 * Learning rate schedules after a linear warm-up. They give the same values as transformers' get_scheduler for
 * constant_with_warmup, linear, cosine and cosine_with_min_lr.
 */
public enum Schedule {
    CONSTANT, LINEAR, COSINE;

    /**
     * Factor of the part of the learning rate above its minimum: 1 at the end of the warm-up; 0 at the end, except for
     * CONSTANT.
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
