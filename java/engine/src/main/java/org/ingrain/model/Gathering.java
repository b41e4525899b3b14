package org.ingrain.model;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.Tensor;

/** Brings together what each rank has computed of the columns of a matrix. */
final class Gathering {
    private Gathering() {
    }

    /**
     * Concatenates the columns of every rank's x (M, n) to y (M, ranks·n). all_gather yields (ranks·M, n), and
     * gather_rows then brings it into the order of y.
     *
     * @param gathered memory for as many elements as y has
     * @param order    (M·ranks) where in {@code gathered} (ranks·M, n) the parts of row 0, row 1, ... lie
     */
    static void columns(Ops ops, Tensor y, Tensor x, Tensor gathered, Tensor order) {
        long parts = order.elements();
        Tensor all = gathered.view(parts, x.size(1));
        ops.allGather(all, x);
        ops.gatherRows(y.view(parts, x.size(1)), all, order);
    }
}
