package org.ingrain.jni;

import java.util.Arrays;

/**
 * Times several implementations alternately, round by round, so that all run under the same conditions. The result is
 * the median of the rounds.
 */
final class Timing {
    private Timing() {
    }

    /** Enqueues a number of calls. */
    interface Calls {
        void run(int calls) throws Throwable;
    }

    /** Waits until all enqueued calls have finished. */
    interface Drain {
        void run() throws Throwable;
    }

    /**
     * One of the implementations that are compared.
     *
     * @param calls the calls that are timed
     * @param drain waits until the device has finished these calls
     */
    record Side(Calls calls, Drain drain) {
    }

    /**
     * How many calls and rounds are timed.
     *
     * @param calls  calls per round; they must fit into a stream's queue, because otherwise the host waits for the
     * device
     * @param warmUp rounds before the timed rounds
     * @param rounds timed rounds
     */
    record Length(int calls, int warmUp, int rounds) {
    }

    /**
     * Medians, in nanoseconds per call.
     *
     * @param host    time until the last call of a round has returned
     * @param drained time until the device has finished all calls of the round
     */
    record Time(double host, double drained) {
    }

    /** Returns one time for each side, in the order of {@code sides}. */
    static Time[] run(Length length, Side... sides) throws Throwable {
        double[][] host = new double[sides.length][length.rounds];
        double[][] drained = new double[sides.length][length.rounds];
        for (int round = -length.warmUp; round < length.rounds; round++) {
            for (int side = 0; side < sides.length; side++) {
                long start = System.nanoTime();
                sides[side].calls.run(length.calls);
                long returned = System.nanoTime();
                sides[side].drain.run();
                long end = System.nanoTime();
                if (round >= 0) {
                    host[side][round] = (double) (returned - start) / length.calls;
                    drained[side][round] = (double) (end - start) / length.calls;
                }
            }
        }
        Time[] times = new Time[sides.length];
        Arrays.setAll(times, side -> new Time(median(host[side]), median(drained[side])));
        return times;
    }

    private static double median(double[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
    }
}
