package org.ingrain.engine;

import org.ingrain.tensor.InputException;

/**
 * The distribution of a model over several devices. There are {@code dataParallelSize} copies of the model, and each
 * copy is sharded over {@code tensorParallelSize} ranks.
 *
 * @param tensorParallelSize number of ranks per copy; 0 to let {@link Placement} choose the number
 * @param dataParallelSize   number of copies, which take requests from a common queue; 0 for as many copies as the
 *                           devices allow
 */
public record ParallelConfig(int tensorParallelSize, int dataParallelSize) {
    /** Lets {@link Placement} choose both sizes. All listed devices are used, or one device if there is no list. */
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
