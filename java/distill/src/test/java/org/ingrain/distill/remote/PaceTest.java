package org.ingrain.distill.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Tests when requests start. The clock of the tests advances only while a request waits. */
class PaceTest {
    private long now;

    private Pace pace(int perMinute) {
        return new Pace(perMinute, () -> now, nanos -> now += nanos);
    }

    @Test
    void requestsStartAtTheirRate() throws InterruptedException {
        Pace pace = pace(30);
        for (int i = 0; i < 5; i++) {
            pace.take();
            assertEquals(Duration.ofSeconds(2 * i).toNanos(), now);
        }
        now += Duration.ofMinutes(1).toNanos();
        long before = now;
        pace.take();
        assertEquals(before, now,
                "after a pause, one request starts at once; a pause does not allow more requests later");
    }

    @Test
    void aHoldDelaysAllRequests() throws InterruptedException {
        Pace pace = pace(0);
        pace.take();
        pace.take();
        assertEquals(0, now);
        pace.hold(Duration.ofSeconds(9));
        pace.hold(Duration.ofSeconds(4));
        pace.take();
        pace.take();
        assertEquals(Duration.ofSeconds(9).toNanos(), now);
    }
}
