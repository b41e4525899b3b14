package org.ingrain.train.pass;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Rank;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Sums gradients over ranks that have the same key-value head. If there are more ranks than key-value heads, several
 * consecutive ranks have the same key-value head. Each of these ranks computes only the part of the head's gradient
 * that comes from the rank's own query heads.
 */
final class SharedGradients {
    private final Context context;
    private final Ops ops;
    private final Rank rank;
    /** The gradients of all ranks (ranks, n) before they are summed. */
    private final Tensor gathered;
    private final int sharers;

    /**
     * @param sharers number of consecutive ranks that have the same key-value head
     * @param n       number of elements of the gradients
     */
    SharedGradients(Allocator memory, Rank rank, int sharers, long n) {
        context = memory.context();
        ops = new Ops(context);
        this.rank = rank;
        this.sharers = sharers;
        gathered = memory.allocate(DType.F32, rank.count(), n);
    }

    /** Whether this rank is the first of the ranks with the same key-value head. */
    boolean first() {
        return rank.index() % sharers == 0;
    }

    /**
     * Replaces {@code part} (n) by the sum of the parts of all ranks with the same key-value head. The parts are added
     * in the order of ranks.
     */
    void complete(Tensor part) {
        ops.allGather(gathered, part);
        int first = rank.index() / sharers * sharers;
        context.copy(part, gathered.rows(first, first + 1));
        for (int i = first + 1; i < first + sharers; i++) {
            ops.addBias(part.view(1, part.elements()), gathered.rows(i, i + 1).view(part.elements()));
        }
    }
}
