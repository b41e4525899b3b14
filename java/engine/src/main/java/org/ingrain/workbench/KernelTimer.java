package org.ingrain.workbench;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Measures the time of a call. The result is the minimum over several rounds. Each round repeats the call until the
 * overhead of the clock and of the final synchronization is negligible.
 */
final class KernelTimer {
    private static final double ROUND = 0.03;
    private static final int ROUNDS = 5;

    private KernelTimer() {
    }

    /**
     * Returns the seconds per execution of each runnable. Each round times every runnable once, so that machine load
     * affects all runnables equally.
     */
    static double[] seconds(Side[] sides, Runnable... runs) {
        int[] repetitions = new int[runs.length];
        double[] best = new double[runs.length];
        for (int i = 0; i < runs.length; i++) {
            double once = round(sides[i], runs[i], 1);
            best[i] = Math.min(once, round(sides[i], runs[i], 1));
            repetitions[i] = (int) Math.clamp(Math.ceil(ROUND / best[i]), 1, 10_000);
        }
        boolean slow = best[0] > 10 * ROUND;   // on an emulated device, one round is enough
        for (int round = 0; round < (slow ? 1 : ROUNDS); round++) {
            for (int i = 0; i < runs.length; i++) {
                best[i] = Math.min(best[i], round(sides[i], runs[i], repetitions[i]));
            }
        }
        return best;
    }

    private static double round(Side side, Runnable run, int repetitions) {
        side.context().synchronize();
        long start = System.nanoTime();
        for (int i = 0; i < repetitions; i++) {
            run.run();
        }
        side.context().synchronize();
        return (System.nanoTime() - start) / 1e9 / repetitions;
    }

    /**
     * The rates that the device reaches with two built-in operations: a copy of tensors that are too large for any
     * cache, and a matrix product in the dtype of {@link Cases.Scale}.
     *
     * @param side           the side on which the copy and the product run
     * @param copy           enqueues the copy; {@code copyBytes} is the number of bytes read plus bytes written
     * @param matmul         enqueues the product, which has {@code matmulFlops} operations
     * @param bytesPerSecond rate of the copy, used to decide whether a call is memory-bound or compute-bound
     * @param flopsPerSecond rate of the product
     */
    record Ceiling(Side side, Runnable copy, double copyBytes, Runnable matmul, double matmulFlops,
            double bytesPerSecond, double flopsPerSecond) {
        static Ceiling measure(Side side, Cases.Scale scale) {
            long n = (long) scale.rows() * scale.width(16384);
            Tensor from = side.normal(DType.BF16, n);
            Tensor to = side.output(DType.BF16, n);
            int wide = scale.width(4096);
            Tensor x = side.normal(scale.dtype(), Math.max(16, scale.matmulRows()), wide);
            Weight w = side.weight(scale.dtype(), Weight.Layout.PACKED, wide, wide, 0);
            Tensor y = side.output(scale.dtype(), x.size(0), wide);
            Ops ops = side.builtIn();
            Runnable copy = () -> side.context().copy(to, from);
            Runnable matmul = () -> ops.matmul(y, x, w);
            double bytes = 2.0 * to.bytes();
            double flops = 2.0 * x.size(0) * wide * wide;
            double[] seconds = KernelTimer.seconds(new Side[] {side, side}, copy, matmul);
            return new Ceiling(side, copy, bytes, matmul, flops, bytes / seconds[0], flops / seconds[1]);
        }

        /**
         * Compares the times of two calls with the same shape: the user's op on sides[0] and the built-in op on
         * sides[1]. The ceiling of the user's op, which is the copy or the product, is measured again in alternation
         * with the two calls, so that machine load affects all three equally.
         */
        KernelCheck.Timing beside(String shape, Side[] sides, Call user, Call builtIn) {
            boolean memory = user.bytes() / bytesPerSecond >= user.flops() / flopsPerSecond;
            double[] seconds = KernelTimer.seconds(new Side[] {sides[0], sides[1], side}, user.run(), builtIn.run(),
                    memory ? copy : matmul);
            double share = (memory ? user.bytes() / copyBytes : user.flops() / matmulFlops) * seconds[2] / seconds[0];
            return new KernelCheck.Timing(shape, seconds[0] * 1e3, seconds[1] * 1e3, user.bytes() / seconds[0] / 1e9,
                    user.flops() / seconds[0] / 1e12, memory ? "memory" : "compute", share);
        }
    }
}
