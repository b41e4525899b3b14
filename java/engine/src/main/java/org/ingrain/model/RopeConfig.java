package org.ingrain.model;

import org.ingrain.tensor.Require;

/**
 * Rotary position embedding (arXiv:2104.09864) and its scaling, as config.json spells it.
 *
 * @param theta                         rope_theta, the base of the frequencies
 * @param type                          rope_type
 * @param factor                        how far the context is stretched; 1 where the type is DEFAULT
 * @param lowFreqFactor                 LLAMA3: wavelengths above original / low are divided by factor
 * @param highFreqFactor                LLAMA3: wavelengths below original / high are kept
 * @param originalMaxPositionEmbeddings LLAMA3: the context length before stretching
 */
public record RopeConfig(double theta, Type type, double factor, double lowFreqFactor, double highFreqFactor,
                         int originalMaxPositionEmbeddings) {
    /** The scalings that are computed here; config.json has them in lower case. */
    public enum Type { DEFAULT, LINEAR, LLAMA3 }

    public RopeConfig {
        Require.that(theta > 0 && Double.isFinite(theta), "rope_theta", theta, "a positive number");
        Require.that(factor >= 1 && Double.isFinite(factor), "rope factor", factor, "1 or more");
        if (type == Type.LLAMA3) {
            Require.that(lowFreqFactor > 0, "rope low_freq_factor", lowFreqFactor, "a positive number");
            Require.that(highFreqFactor > lowFreqFactor, "rope high_freq_factor", highFreqFactor,
                    "more than low_freq_factor " + lowFreqFactor);
            Require.that(originalMaxPositionEmbeddings > 0, "rope original_max_position_embeddings",
                    originalMaxPositionEmbeddings, "a positive number");
        }
    }

    /** No scaling. */
    public static RopeConfig of(double theta) {
        return new RopeConfig(theta, Type.DEFAULT, 1, 0, 0, 0);
    }

    /** Positions divided by factor (arXiv:2306.15595). */
    public static RopeConfig linear(double theta, double factor) {
        return new RopeConfig(theta, Type.LINEAR, factor, 0, 0, 0);
    }
}
