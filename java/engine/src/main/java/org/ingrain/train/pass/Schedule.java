package org.ingrain.train.pass;

/**
 * How the learning rate moves after its linear warm-up; the same numbers as transformers' get_scheduler for
 * constant_with_warmup, linear, cosine and cosine_with_min_lr.
 */
public enum Schedule {
    CONSTANT, LINEAR, COSINE;

    /** Share of the way down, 1 at the end of the warm-up and 0 at the end; progress from 0 to 1. */
    double remaining(double progress) {
        return switch (this) {
            case CONSTANT -> 1;
            case LINEAR -> 1 - progress;
            case COSINE -> 0.5 * (1 + Math.cos(Math.PI * progress));
        };
    }
}
