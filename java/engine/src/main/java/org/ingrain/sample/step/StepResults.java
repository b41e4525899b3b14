package org.ingrain.sample.step;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ingrain.ffi.Event;

/**
 * The results of one step in a slot of pinned memory: n ids, n log-probabilities, then the scores, 4 bytes each. They
 * are valid from the end of the step until the ring reuses the slot.
 */
public final class StepResults {
    final MemorySegment memory;
    final Event start;
    final Event end;
    private int draws;

    StepResults(MemorySegment memory, Event start, Event end) {
        this.memory = memory;
        this.start = start;
        this.end = end;
    }

    /** Assigns the slot to a step with {@code count} draws, padding included. */
    void use(int count) {
        draws = count;
    }

    /** The i-th id drawn; negative if the softmax of its logits was undefined. */
    public int id(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_INT, i);
    }

    /** Log-probability of the i-th id drawn. */
    public float logProbability(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, draws + i);
    }

    /** Log-probability of the i-th scored token, counted over all scores. */
    public float score(int i) {
        return -memory.getAtIndex(ValueLayout.JAVA_FLOAT, 2L * draws + i);
    }
}
