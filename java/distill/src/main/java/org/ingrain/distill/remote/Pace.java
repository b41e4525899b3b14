package org.ingrain.distill.remote;

import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * Delays the starts of requests. At most a given number of requests start in a minute. If the server asks for a wait,
 * no request starts before the end of this wait. This class is thread-safe.
 */
final class Pace {
    /** Waits for a time in nanoseconds. */
    @FunctionalInterface
    interface Sleep {
        void nanos(long nanos) throws InterruptedException;
    }

    private final long interval;
    private final LongSupplier clock;
    private final Sleep sleep;
    /** Earliest start of the next request. */
    private long next;

    /** @param perMinute maximum number of requests that start in a minute; 0: no limit */
    Pace(int perMinute) {
        this(perMinute, System::nanoTime, nanos -> Thread.sleep(Duration.ofNanos(nanos)));
    }

    Pace(int perMinute, LongSupplier clock, Sleep sleep) {
        interval = perMinute == 0 ? 0 : Duration.ofMinutes(1).toNanos() / perMinute;
        this.clock = clock;
        this.sleep = sleep;
        next = clock.getAsLong();
    }

    /** Waits until a request may start. */
    void take() throws InterruptedException {
        for (long wait = start(); wait > 0; wait = start()) {
            sleep.nanos(wait);
        }
    }

    /** Lets the calling thread wait. Other requests are not delayed. */
    void pause(Duration time) throws InterruptedException {
        sleep.nanos(time.toNanos());
    }

    /** Lets no further request start before this time has passed. */
    synchronized void hold(Duration time) {
        next = Math.max(next, clock.getAsLong() + time.toNanos());
    }

    /** Returns 0 if the request may start now; otherwise the nanoseconds until the next try. */
    private synchronized long start() {
        long now = clock.getAsLong();
        if (now < next) {
            return next - now;
        }
        next = now + interval;
        return 0;
    }
}
