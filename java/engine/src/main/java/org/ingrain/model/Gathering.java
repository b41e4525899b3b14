package org.ingrain.model;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.Tensor;

/** Gathers the columns of a matrix that are spread over the ranks. */
final class Gathering {
    private Gathering() {
    }

    /**
     * Sets y (M, ranks·n) to the columns x (M, n) of all ranks, in rank order. First, all_gather stacks the x of all
     * ranks along the rows; then gather_rows concatenates the parts of each row.
     *
     * @param gathered buffer with as many elements as y
     * @param order    (M·ranks) row indices into {@code gathered} (ranks·M, n): first the indices of the parts of row
     *                 0, then those of row 1, ...
     */
    static void columns(Ops ops, Tensor y, Tensor x, Tensor gathered, Tensor order) {
        long parts = order.elements();
        Tensor all = gathered.view(parts, x.size(1));
        ops.allGather(all, x);
        ops.gatherRows(y.view(parts, x.size(1)), all, order);
    }
}
