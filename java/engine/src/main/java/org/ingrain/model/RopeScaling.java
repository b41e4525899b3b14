package org.ingrain.model;

import org.ingrain.tensor.Require;

/**
 * The scaling of rotary frequencies to longer contexts, as given by {@code rope_type} and its parameters in
 * config.json.
 */
public sealed interface RopeScaling {
    /** The value of {@code rope_type}, as spelled in config.json. */
    String type();

    /** The factor applied to cos and sin. */
    default double attentionFactor() {
        return 1;
    }

    /** No scaling. */
    record Default() implements RopeScaling {
        @Override
        public String type() {
            return "default";
        }
    }

    /**
     * Linear scaling: all frequencies are divided by the factor (arXiv:2306.15595).
     *
     * @param factor 1 or more
     */
    record Linear(double factor) implements RopeScaling {
        public Linear {
            requireFactor(factor);
        }

        @Override
        public String type() {
            return "linear";
        }
    }

    /**
     * NTK-aware scaling that depends on the length of the sequence. Up to a length of {@code max_position_embeddings},
     * the frequencies equal those of {@link Default}. Longer contexts are not supported, because the frequencies would
     * depend on the longest sequence of a batch.
     *
     * @param factor 1 or more
     */
    record Dynamic(double factor) implements RopeScaling {
        public Dynamic {
            requireFactor(factor);
        }

        @Override
        public String type() {
            return "dynamic";
        }
    }

    /**
     * Llama 3's scaling (transformers, modeling_rope_utils).
     *
     * @param factor         divisor of low frequencies; 1 or more
     * @param lowFreqFactor  frequencies with a wavelength above {@code original / lowFreqFactor} are divided by
     *                       {@code factor}
     * @param highFreqFactor frequencies with a wavelength below {@code original / highFreqFactor} are unchanged;
     *                       frequencies between the two bounds are interpolated
     * @param original       {@code original_max_position_embeddings}, the context length in tokens before scaling
     */
    record Llama3(double factor, double lowFreqFactor, double highFreqFactor, int original) implements RopeScaling {
        public Llama3 {
            requireFactor(factor);
            Require.that(lowFreqFactor > 0, "rope low_freq_factor", lowFreqFactor, "a positive number");
            Require.that(highFreqFactor > lowFreqFactor, "rope high_freq_factor", highFreqFactor,
                    "more than low_freq_factor " + lowFreqFactor);
            requireOriginal(original);
        }

        @Override
        public String type() {
            return "llama3";
        }
    }

    /**
     * YaRN (arXiv:2309.00071) with a static factor.
     *
     * @param factor          ratio of the extended context to the original one; 1 or more
     * @param original        {@code original_max_position_embeddings}, the context length in tokens before scaling
     * @param betaFast        number of rotations within the original context; dimension pairs that complete more
     *                        rotations keep their frequency
     * @param betaSlow        number of rotations within the original context; the frequencies of pairs that complete
     *                        fewer rotations are divided by {@code factor}. The frequencies of the other pairs, between
     *                        the two bounds, are interpolated
     * @param truncate        whether the bounds of the interpolated range are rounded outwards to whole pairs
     * @param attentionFactor factor applied to cos and sin
     */
    record Yarn(double factor, int original, double betaFast, double betaSlow, boolean truncate,
                double attentionFactor) implements RopeScaling {
        public Yarn {
            requireFactor(factor);
            requireOriginal(original);
            Require.that(betaSlow > 0, "rope beta_slow", betaSlow, "a positive number");
            Require.that(betaFast >= betaSlow, "rope beta_fast", betaFast, "at least beta_slow " + betaSlow);
            Require.that(attentionFactor > 0 && Double.isFinite(attentionFactor), "rope attention_factor",
                    attentionFactor, "a positive number");
        }

        /** The default attention factor, for a config without one: {@code 0.1·mscale·ln(factor) + 1}. */
        public static double attentionFactor(double factor, double mscale) {
            return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
        }

        @Override
        public String type() {
            return "yarn";
        }
    }

    private static void requireFactor(double factor) {
        Require.that(factor >= 1 && Double.isFinite(factor), "rope factor", factor, "1 or more");
    }

    private static void requireOriginal(int original) {
        Require.that(original > 0, "rope original_max_position_embeddings", original, "a positive number");
    }
}
