package org.ingrain.workbench;

import java.util.List;
import org.ingrain.tensor.Tensor;

/**
 * One call of an op on one {@link Side}, with random inputs.
 *
 * @param run     enqueues the op
 * @param read    enqueues the ops that make the results comparable, after {@code run}: attention reads a cache, a
 *                product reads a packed weight
 * @param outputs everything the op writes
 * @param bytes   minimum memory traffic of the op: each input read once, each output written once
 * @param flops   arithmetic of the op; a multiply-add counts as two
 */
record Call(Runnable run, Runnable read, List<Output> outputs, double bytes, double flops) {
    /**
     * One output of the op.
     *
     * @param name      name in the header
     * @param tensor    its memory
     * @param tolerance tolerance of the comparison
     */
    record Output(String name, Tensor tensor, Tolerance tolerance) {
    }

    /** A call whose outputs can be compared directly. */
    static Call of(Runnable run, double bytes, double flops, Output... outputs) {
        return new Call(run, () -> { }, List.of(outputs), bytes, flops);
    }

    static Output output(String name, Tensor tensor, Tolerance tolerance) {
        return new Output(name, tensor, tolerance);
    }

    /** Total bytes of the tensors; null counts as 0. */
    static double bytes(Tensor... tensors) {
        double bytes = 0;
        for (Tensor tensor : tensors) {
            bytes += tensor == null ? 0 : tensor.bytes();
        }
        return bytes;
    }
}
