package org.ingrain.sample.step;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ingrain.ffi.Event;

/**
 * What one step draws and scores, in pinned memory: n ids, n log-probabilities, then the scores, 4 bytes each. It can
 * be read from when the step is done until the ring gives its slot to another step.
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

    /** The slot now belongs to a step of {@code count} draws, those that fill a batch up included. */
    void use(int count) {
        draws = count;
    }

    /** The i-th id drawn; negative if its logits were not numbers. */
    public int id(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_INT, i);
    }

    /** Of the i-th id drawn. */
    public float logProbability(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, draws + i);
    }

    /** Log-probability of the i-th token of all scores. */
    public float score(int i) {
        return -memory.getAtIndex(ValueLayout.JAVA_FLOAT, 2L * draws + i);
    }
}
