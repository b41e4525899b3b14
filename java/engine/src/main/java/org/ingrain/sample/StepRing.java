package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Context;

/**
 * The steps that are enqueued and not yet read, oldest first, each in a slot of its own, and how long the device stood still between
 * them. A step before the oldest keeps its slot, because the time from its end to the next start is known only when that one is done.
 */
final class StepRing {
    private final List<Flight> slots = new ArrayList<>();
    private final ArrayDeque<Flight> inFlight = new ArrayDeque<>();
    private int next;
    private Flight settled;
    private double stepMillis;
    private double hostWaitMillis;

    /** Slots for {@code size} steps; resultBytes: what a step leaves for the host, at most. */
    StepRing(Context context, int size, long resultBytes) {
        for (int i = 0; i < size; i++) {
            slots.add(new Flight(context.hostAllocate(resultBytes), context.event(), context.event()));
        }
    }

    /** Steps in flight. */
    int size() {
        return inFlight.size();
    }

    /** A slot for the next step, whose start is marked on the stream. */
    Flight begin() {
        if (inFlight.size() + 2 > slots.size()) {
            throw new IllegalStateException(inFlight.size() + " steps in flight in a ring of " + slots.size());
        }
        Flight flight = slots.get(next);
        next = (next + 1) % slots.size();
        flight.start.record();
        return flight;
    }

    /** Marks the end of a step that is wholly enqueued. */
    void end(Flight flight) {
        flight.end.record();
        inFlight.addLast(flight);
    }

    /** Waits for the oldest step; its results can be read until as many steps have begun as the ring has slots. */
    Flight settle() {
        Flight flight = inFlight.removeFirst();
        flight.end.await();
        stepMillis += flight.end.millisecondsSince(flight.start);
        if (settled != null) {
            hostWaitMillis += flight.start.millisecondsSince(settled.end);
        }
        settled = flight;
        return flight;
    }

    /** There is no work: what the device waits for until the next step is not the host. */
    void rest() {
        settled = null;
    }

    double stepMillis() {
        return stepMillis;
    }

    double hostWaitMillis() {
        return hostWaitMillis;
    }
}
