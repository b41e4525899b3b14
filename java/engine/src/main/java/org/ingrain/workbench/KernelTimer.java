package org.ingrain.workbench;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** Seconds of a call: the best of some rounds, each long enough that the clock and the wait at its end do not count. */
final class KernelTimer {
    private static final double ROUND = 0.03;
    private static final int ROUNDS = 5;

    private KernelTimer() {
    }

    /** Seconds of one run of each; their rounds take turns, so that both meet the same machine. */
    static double[] seconds(Side[] sides, Runnable... runs) {
        int[] repetitions = new int[runs.length];
        double[] best = new double[runs.length];
        for (int i = 0; i < runs.length; i++) {
            double once = round(sides[i], runs[i], 1);
            best[i] = Math.min(once, round(sides[i], runs[i], 1));
            repetitions[i] = (int) Math.clamp(Math.ceil(ROUND / best[i]), 1, 10_000);
        }
        boolean slow = best[0] > 10 * ROUND;   // an emulated device: nobody waits for its best
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
     * What the device reaches with the backend's own ops: a copy of tensors that fit in no cache, and a product in the
     * scale's dtype.
     *
     * @param side           of both
     * @param copy           of {@code copyBytes}, read and written
     * @param matmul         of {@code matmulFlops}
     * @param bytesPerSecond of the copy, to tell what bounds a call
     * @param flopsPerSecond of the product
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
         * A call on two sides, and the ceiling that bounds it, measured again in turns with them: a noisy machine is as
         * noisy for all.
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
