package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The table that the rope op reads. Arithmetic in f32 where transformers' LlamaRotaryEmbedding has f32, so that long
 * positions agree with it. Scaling: linear (arXiv:2306.15595) and Llama 3's (transformers, modeling_rope_utils).
 */
public final class RopeTable {
    private RopeTable() {
    }

    /** (positions, E) for positions below {@code contextLength}, or fewer where the model has fewer. */
    public static Tensor allocate(Allocator memory, Blueprint config, int contextLength) {
        int positions = Math.min(config.maxPositionEmbeddings(), contextLength);
        Tensor table = memory.allocate(DType.F32, positions, config.attention().headDim());
        memory.initialize(table, () -> compute(config, positions));
        return table;
    }

    /** Positions 0 to positions - 1: (positions, E) row-major, cos in [0, E/2) and sin in [E/2, E) of each row. */
    public static float[] compute(Blueprint config, int positions) {
        float[] frequencies = inverseFrequencies(config.rope(), config.attention().headDim());
        int half = frequencies.length;
        float[] table = new float[Math.multiplyExact(positions, 2 * half)];
        for (int position = 0; position < positions; position++) {
            int row = position * 2 * half;
            for (int i = 0; i < half; i++) {
                double angle = position * frequencies[i];
                table[row + i] = (float) Math.cos(angle);
                table[row + half + i] = (float) Math.sin(angle);
            }
        }
        return table;
    }

    /** The angle per position of each pair of dimensions, (E/2), after scaling. */
    public static float[] inverseFrequencies(RopeConfig rope, int headDim) {
        float[] frequencies = new float[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            float exponent = 2f * i / headDim;
            float frequency = 1f / (float) Math.pow(rope.theta(), exponent);
            frequencies[i] = switch (rope.type()) {
                case DEFAULT -> frequency;
                case LINEAR -> frequency / (float) rope.factor();
                case LLAMA3 -> llama3(rope, frequency);
            };
        }
        return frequencies;
    }

    private static float llama3(RopeConfig rope, float frequency) {
        double original = rope.originalMaxPositionEmbeddings();
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
}
