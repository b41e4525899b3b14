package org.ingrain.engine;

import org.ingrain.tensor.InputException;

/**
 * How many devices work on a model. There are {@code dataParallelSize} copies of the model, and each copy is sharded
 * over {@code tensorParallelSize} ranks.
 *
 * @param tensorParallelSize ranks that share a copy's weights and cache; 0 for as few as have room for it
 * @param dataParallelSize   copies, which take requests from one queue; 0 for as many as there are devices for
 */
public record ParallelConfig(int tensorParallelSize, int dataParallelSize) {
    /** Both are chosen: one device, or of a list of devices all. */
    public static final ParallelConfig AUTO = new ParallelConfig(0, 0);

    public ParallelConfig {
        if (tensorParallelSize < 0) {
            throw InputException.field("tensorParallelSize", tensorParallelSize + ", expected 1, 2, 4 or 8");
        }
        if (dataParallelSize < 0) {
            throw InputException.field("dataParallelSize", dataParallelSize + ", expected 1 or more");
        }
    }

    int devices() {
        return Math.max(1, tensorParallelSize) * Math.max(1, dataParallelSize);
    }
}
