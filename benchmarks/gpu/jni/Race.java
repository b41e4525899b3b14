package org.ingrain.doors;

import java.util.Arrays;

/** Lanes take turns on the clock, round by round, so that all meet the same machine; the median round counts. */
final class Race {
    private Race() {
    }

    /** Enqueues so many calls. */
    interface Calls {
        void run(int calls) throws Throwable;
    }

    /** Waits for what was enqueued. */
    interface Drain {
        void run() throws Throwable;
    }

    /**
     * One runner.
     *
     * @param calls what is timed
     * @param drain waits for it
     */
    record Lane(Calls calls, Drain drain) {
    }

    /**
     * How long.
     *
     * @param calls  of one round: fewer than a stream's queue holds, or the host would wait for the device
     * @param warmUp rounds that do not count
     * @param rounds that do
     */
    record Length(int calls, int warmUp, int rounds) {
    }

    /**
     * Medians, in nanoseconds a call.
     *
     * @param host    until the last call of a round has returned
     * @param drained until the device has done them all
     */
    record Time(double host, double drained) {
    }

    /** A time per lane. */
    static Time[] run(Length length, Lane... lanes) throws Throwable {
        double[][] host = new double[lanes.length][length.rounds];
        double[][] drained = new double[lanes.length][length.rounds];
        for (int round = -length.warmUp; round < length.rounds; round++) {
            for (int lane = 0; lane < lanes.length; lane++) {
                long start = System.nanoTime();
                lanes[lane].calls.run(length.calls);
                long returned = System.nanoTime();
                lanes[lane].drain.run();
                long end = System.nanoTime();
                if (round >= 0) {
                    host[lane][round] = (double) (returned - start) / length.calls;
                    drained[lane][round] = (double) (end - start) / length.calls;
                }
            }
        }
        Time[] times = new Time[lanes.length];
        Arrays.setAll(times, lane -> new Time(median(host[lane]), median(drained[lane])));
        return times;
    }

    private static double median(double[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
    }
}
