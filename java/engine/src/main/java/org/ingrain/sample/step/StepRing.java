package org.ingrain.sample.step;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Context;

/**
 * A ring of slots. Each step that is enqueued but not yet read has one slot, and the oldest step is read first. The
 * ring also measures the idle time of the device between steps. The slot of the step that was read last stays in use
 * until the next step is complete. Only then can the time between the two steps be measured.
 * <pre>
 *   slots      0        1        2
 *   begin/end  step 4   step 5            2 in flight
 *   await      4, read  step 5            slot 0 stays in use until step 5 is read
 *   begin/end  4, read  step 5   step 6
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

    /**
     * @param size        number of slots, one more than the maximum number of steps in flight
     * @param resultBytes maximum size of a step's results
     */
    StepRing(Context context, int size, long resultBytes) {
        this.context = context;
        for (int i = 0; i < size; i++) {
            slots.add(new StepResults(context.hostAllocate(resultBytes), context.event(), context.event()));
        }
    }

    /** Number of steps in flight. */
    int size() {
        return inFlight.size();
    }

    /** Returns a slot for the next step and records its start event on the stream. */
    StepResults begin() {
        if (inFlight.size() + 2 > slots.size()) {
            throw new IllegalStateException(inFlight.size() + " steps in flight, no slot of " + slots.size() + " free");
        }
        StepResults results = slots.get(next);
        next = (next + 1) % slots.size();
        results.start.record();
        return results;
    }

    /** Records the end event of a step after all of its ops are enqueued. */
    void end(StepResults results) {
        results.end.record();
        inFlight.addLast(results);
    }

    /** Waits for the oldest step in flight and returns its results, which are valid until the next call. */
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

    /**
     * Records that the device is idle because there is no work. The time until the next step is then not counted as
     * host wait.
     */
    void idle() {
        lastRead = null;
    }

    double stepMillis() {
        return stepMillis;
    }

    double hostWaitMillis() {
        return hostWaitMillis;
    }

    /** Frees the events and the pinned memory. No step may be in flight. */
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
