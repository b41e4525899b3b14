package org.ingrain.train.pass;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Rank;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Gradients of what neighbouring ranks have alike: where ranks outnumber key-value heads, each has a head's gradient
 * through its own query heads alone.
 */
final class SharedGradients {
    private final Context context;
    private final Ops ops;
    private final Rank rank;
    /** (ranks, n) */
    private final Tensor gathered;
    private final int sharers;

    /**
     * @param sharers how many ranks, one behind the other, have the same
     * @param n       elements
     */
    SharedGradients(Allocator memory, Rank rank, int sharers, long n) {
        context = memory.context();
        ops = new Ops(context);
        this.rank = rank;
        this.sharers = sharers;
        gathered = memory.allocate(DType.F32, rank.count(), n);
    }

    /** Whether this is the first of those that have the same. */
    boolean first() {
        return rank.index() % sharers == 0;
    }

    /** part (n) becomes its sum over those that have the same, in the order of ranks. */
    void complete(Tensor part) {
        ops.allGather(gathered, part);
        int first = rank.index() / sharers * sharers;
        context.copy(part, gathered.rows(first, first + 1));
        for (int i = first + 1; i < first + sharers; i++) {
            ops.addBias(part.view(1, part.elements()), gathered.rows(i, i + 1).view(part.elements()));
        }
    }
}
