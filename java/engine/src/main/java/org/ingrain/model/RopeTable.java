package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Computes the cos and sin table that the rope op reads. This class uses f32 wherever LlamaRotaryEmbedding of
 * transformers does, so that the values agree even at large positions. Scaling follows modeling_rope_utils of
 * transformers.
 */
public final class RopeTable {
    private RopeTable() {
    }

    /**
     * Allocates a table (positions, E). The number of positions is the smaller of {@code contextLength} and the model's
     * maximum.
     */
    public static Tensor allocate(Allocator memory, Blueprint config, int contextLength) {
        int positions = Math.min(config.maxContextLength(), contextLength);
        Tensor table = memory.allocate(DType.F32, positions, config.attention().headDim());
        memory.initialize(table, () -> compute(config, positions));
        return table;
    }

    /**
     * Computes the table (positions, E) in row-major order for positions 0 to positions - 1. In each row, elements
     * [0, E/2) contain cos and elements [E/2, E) contain sin.
     */
    public static float[] compute(Blueprint config, int positions) {
        float[] frequencies = inverseFrequencies(config.rope(), config.attention().headDim());
        double factor = config.rope().scaling().attentionFactor();
        int half = frequencies.length;
        float[] table = new float[Math.multiplyExact(positions, 2 * half)];
        for (int position = 0; position < positions; position++) {
            int row = position * 2 * half;
            for (int i = 0; i < half; i++) {
                double angle = position * frequencies[i];
                table[row + i] = (float) (Math.cos(angle) * factor);
                table[row + half + i] = (float) (Math.sin(angle) * factor);
            }
        }
        return table;
    }

    /** The rotation angle per position of each of the E/2 dimension pairs, in radians, after scaling. */
    public static float[] inverseFrequencies(RopeConfig rope, int headDim) {
        float[] frequencies = new float[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            float exponent = 2f * i / headDim;
            float frequency = 1f / (float) Math.pow(rope.theta(), exponent);
            frequencies[i] = switch (rope.scaling()) {
                case RopeScaling.Default none -> frequency;
                case RopeScaling.Dynamic upToItsLimit -> frequency;
                case RopeScaling.Linear linear -> frequency / (float) linear.factor();
                case RopeScaling.Llama3 llama3 -> scaled(llama3, frequency);
                case RopeScaling.Yarn yarn -> scaled(yarn, frequency, i, rope.theta(), headDim);
            };
        }
        return frequencies;
    }

    private static float scaled(RopeScaling.Llama3 rope, float frequency) {
        double original = rope.original();
        float wavelength = (float) (2 * Math.PI) / frequency;
        if (wavelength < (float) (original / rope.highFreqFactor())) {
            return frequency;
        }
        if (wavelength > (float) (original / rope.lowFreqFactor())) {
            return frequency / (float) rope.factor();
        }
        float smooth = ((float) original / wavelength - (float) rope.lowFreqFactor())
                / (float) (rope.highFreqFactor() - rope.lowFreqFactor());
        return (1 - smooth) * frequency / (float) rope.factor() + smooth * frequency;
    }

    /**
     * The frequency of pair i under YaRN: unchanged, divided by the factor, or interpolated between these two values.
     */
    private static float scaled(RopeScaling.Yarn yarn, float frequency, int i, double theta, int headDim) {
        double low = pairOf(yarn.betaFast(), yarn.original(), theta, headDim);
        double high = pairOf(yarn.betaSlow(), yarn.original(), theta, headDim);
        double first = Math.max(yarn.truncate() ? Math.floor(low) : low, 0);
        double last = Math.min(yarn.truncate() ? Math.ceil(high) : high, headDim - 1);
        float width = (float) (first == last ? 0.001 : last - first);
        float interpolated = Math.clamp((i - (float) first) / width, 0f, 1f);
        return frequency / (float) yarn.factor() * interpolated + frequency * (1 - interpolated);
    }

    /** The fractional index of the pair that completes this many rotations within the original context. */
    private static double pairOf(double rotations, int original, double theta, int headDim) {
        return headDim * Math.log(original / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
    }
}
