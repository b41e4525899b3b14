package org.ingrain.workbench;

import java.util.List;
import org.ingrain.tensor.Tensor;

/**
 * One call of an op on one {@link Side}, with random inputs.
 *
 * @param run     enqueues the op
 * @param read    enqueues what makes the results comparable, after the op: a cache is read by attention, a packed
 *                weight by a product
 * @param outputs everything the op writes
 * @param bytes   that the op must move: every input read once, every output written once
 * @param flops   that it must compute, multiply and add counted as two
 */
record Call(Runnable run, Runnable read, List<Output> outputs, double bytes, double flops) {
    /**
     * A result.
     *
     * @param name      as the header has it
     * @param tensor    where it is
     * @param tolerance of the comparison
     */
    record Output(String name, Tensor tensor, Tolerance tolerance) {
    }

    /** A call whose outputs are compared as they are. */
    static Call of(Runnable run, double bytes, double flops, Output... outputs) {
        return new Call(run, () -> { }, List.of(outputs), bytes, flops);
    }

    static Output output(String name, Tensor tensor, Tolerance tolerance) {
        return new Output(name, tensor, tolerance);
    }

    /** Bytes of tensors, null for none. */
    static double bytes(Tensor... tensors) {
        double bytes = 0;
        for (Tensor tensor : tensors) {
            bytes += tensor == null ? 0 : tensor.bytes();
        }
        return bytes;
    }
}
