package org.ingrain.sample.step;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Context;

/**
 * The steps that are enqueued and not yet read, oldest first, each in a slot of its own, and how long the device stood
 * still between them. The step that was read last keeps its slot, because the time from its end to the next start is
 * known only when the next is done.
 * <pre>
 *   slots      0        1        2
 *   begin/end  step 4   step 5            2 in flight
 *   await      read     step 5            step 4 stays until step 5 is read
 *   begin/end  read     step 5   step 6
 * </pre>
 */
final class StepRing implements AutoCloseable {
    private final Context context;
    private final List<StepResults> slots = new ArrayList<>();
    private final ArrayDeque<StepResults> inFlight = new ArrayDeque<>();
    private int next;
    private StepResults lastRead;
    private double stepMillis;
    private double hostWaitMillis;

    /** Slots for {@code size} steps; resultBytes: what a step leaves for the host, at most. */
    StepRing(Context context, int size, long resultBytes) {
        this.context = context;
        for (int i = 0; i < size; i++) {
            slots.add(new StepResults(context.hostAllocate(resultBytes), context.event(), context.event()));
        }
    }

    /** Steps in flight. */
    int size() {
        return inFlight.size();
    }

    /** A slot for the next step, whose start is marked on the stream. */
    StepResults begin() {
        if (inFlight.size() + 2 > slots.size()) {
            throw new IllegalStateException(inFlight.size() + " steps in flight in a ring of " + slots.size());
        }
        StepResults results = slots.get(next);
        next = (next + 1) % slots.size();
        results.start.record();
        return results;
    }

    /** Marks the end of a step that is wholly enqueued. */
    void end(StepResults results) {
        results.end.record();
        inFlight.addLast(results);
    }

    /** Waits for the oldest step; its results can be read until the next one is awaited. */
    StepResults await() {
        StepResults results = inFlight.removeFirst();
        results.end.await();
        stepMillis += results.end.millisecondsSince(results.start);
        if (lastRead != null) {
            hostWaitMillis += results.start.millisecondsSince(lastRead.end);
        }
        lastRead = results;
        return results;
    }

    /** There is no work: the time until the next step does not count as waiting for the host. */
    void idle() {
        lastRead = null;
    }

    double stepMillis() {
        return stepMillis;
    }

    double hostWaitMillis() {
        return hostWaitMillis;
    }

    /** Nothing may be in flight on the device. */
    @Override
    public void close() {
        for (StepResults slot : slots) {
            slot.start.close();
            slot.end.close();
            context.hostFree(slot.memory);
        }
        slots.clear();
    }
}
