package org.ingrain.model;

import java.util.Objects;
import org.ingrain.tensor.Require;

/**
 * Rotary position embedding (arXiv:2104.09864) and its scaling.
 *
 * @param theta   rope_theta, the base of the frequencies
 * @param scaling scaling to longer contexts
 */
public record RopeConfig(double theta, RopeScaling scaling) {
    public RopeConfig {
        Require.that(theta > 0 && Double.isFinite(theta), "rope_theta", theta, "a positive number");
        Objects.requireNonNull(scaling, "scaling");
    }

    /** A configuration without scaling. */
    public static RopeConfig of(double theta) {
        return new RopeConfig(theta, new RopeScaling.Default());
    }
}
