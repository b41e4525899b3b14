package org.ingrain.model;

import org.ingrain.tensor.Weight;

/**
 * A matrix (N, C) that a checkpoint stores as integers with a scale for each group of columns. The stored tensors are
 * in memory until the matrix is closed.
 */
public interface QuantizedMatrix extends AutoCloseable {
    /** The row-major format in which {@link #read} returns the elements. */
    Weight.Format format();

    /**
     * Fills {@code target} with the rows from {@code row} on and the columns from {@code column} on. {@code column} is
     * a multiple of the group size.
     */
    void read(QuantizedRows target, long row, long column);

    @Override
    void close();
}
