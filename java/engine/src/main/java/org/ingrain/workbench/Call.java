package org.ingrain.workbench;

import java.util.List;
import org.ingrain.tensor.Tensor;

/**
 * One call of an op on one {@link Side}, with random inputs.
 *
 * @param run     enqueues the op
 * @param read    enqueues, after {@code run}, built-in ops that convert a result in a backend-specific layout to a
 *                comparable tensor: attention reads a cache, and a product reads a packed weight
 * @param outputs all outputs of the op
 * @param bytes   minimum memory traffic of the op in bytes, if each input is read once and each output is written once
 * @param flops   number of floating-point operations; a multiply-add counts as two
 */
record Call(Runnable run, Runnable read, List<Output> outputs, double bytes, double flops) {
    /**
     * One output of the op.
     *
     * @param name      name in the header
     * @param tensor    memory of the output
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
