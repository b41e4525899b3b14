package org.ingrain.ops;

import org.ingrain.tensor.Tensor;

/**
 * Dropout of a LoRA input.
 *
 * @param probability probability of dropping an element; 0 for none
 * @param seed        seed of the mask; forward and backward with the same seed use the same mask
 * @param column      index, in the whole input, of this rank's first column; 0 if the rank has all columns
 * @param columns     number of columns of the whole input; 0 if the rank has all columns
 */
public record Dropout(float probability, long seed, long column, long columns) {
    public static final Dropout NONE = new Dropout(0, 0);

    /** Dropout of an input that is not sharded. */
    public Dropout(float probability, long seed) {
        this(probability, seed, 0, 0);
    }

    long columns(Tensor x) {
        return columns == 0 ? x.size(1) : columns;
    }
}
