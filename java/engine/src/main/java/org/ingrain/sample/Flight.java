package org.ingrain.sample;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.ingrain.ffi.Event;
import org.ingrain.sample.StepWork.Draw;
import org.ingrain.sample.StepWork.Score;

/** A step on its way, in a slot of the ring: whose tokens it draws, and the pinned memory that receives them. */
final class Flight {
    final MemorySegment memory;
    final Event start;
    final Event end;
    private List<Draw> draws = List.of();
    private List<Score> scores = List.of();
    private int padded;

    Flight(MemorySegment memory, Event start, Event end) {
        this.memory = memory;
        this.start = start;
        this.end = end;
    }

    /** The slot now carries a step that makes {@code padded} draws, of which those listed are wanted. */
    void carry(List<Draw> draws, int padded, List<Score> scores) {
        this.draws = draws;
        this.padded = padded;
        this.scores = scores;
    }

    List<Draw> draws() {
        return draws;
    }

    List<Score> scores() {
        return scores;
    }

    /** The i-th id drawn, once the step has been waited for. */
    int id(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_INT, i);
    }

    /** Of the i-th id drawn. */
    float logProbability(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, padded + i);
    }

    /** Log-probability of the i-th token of all scores. */
    float score(int i) {
        return -memory.getAtIndex(ValueLayout.JAVA_FLOAT, 2L * padded + i);
    }
}
