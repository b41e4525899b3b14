package org.ingrain.sample.step;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.ingrain.ffi.Event;

/**
 * The results of one step in pinned memory: draws and scores. This object is a slot of the {@link StepRing}. The
 * results are valid from the end of the step until the ring reuses the slot. Each element has 4 bytes. The table lists
 * the elements in order. Its first column is the shape of the elements, for n draws, m scored tokens, k most probable
 * tokens of each row, and b draws that have a bias.
 * <pre>
 *   n           drawn ids
 *   n           log-probabilities of the drawn ids
 *   m           −log p of the scored tokens
 *   (n + m, k)  ids of the most probable tokens
 *   (n + m, k)  log-probabilities of the most probable tokens
 *   b           −log p of the ids of the draws that have a bias, computed without the bias
 * </pre>
 */
public final class StepResults {
    final MemorySegment memory;
    final Event start;
    final Event end;
    private int draws;
    private int rows;
    private int topTokens;
    private int[] biased = {};

    StepResults(MemorySegment memory, Event start, Event end) {
        this.memory = memory;
        this.start = start;
        this.end = end;
    }

    /**
     * Assigns the slot to a step with n draws (padding included), m scored tokens, and k most probable tokens per row.
     * {@code biased} has the indices of the draws that have a bias, in ascending order.
     */
    void use(int n, int m, int k, int[] biased) {
        draws = n;
        rows = n + m;
        topTokens = k;
        this.biased = biased;
    }

    /** The id of draw i; negative if the softmax of the draw's logits was undefined. */
    public int id(int i) {
        return memory.getAtIndex(ValueLayout.JAVA_INT, i);
    }

    /** Log-probability of the id of draw i, computed from logits without a bias. */
    public float logProbability(int i) {
        int at = Arrays.binarySearch(biased, i);
        if (at >= 0) {
            return -memory.getAtIndex(ValueLayout.JAVA_FLOAT, draws + rows + 2L * rows * topTokens + at);
        }
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, draws + i);
    }

    /** Log-probability of scored token i. The index i runs over the scored tokens of the whole plan. */
    public float score(int i) {
        return -memory.getAtIndex(ValueLayout.JAVA_FLOAT, 2L * draws + i);
    }

    /**
     * Id of one of the most probable tokens of a row; the most probable token has {@code rank} 0. Row i is for draw i;
     * row n + i is for scored token i.
     */
    public int topId(int row, int rank) {
        return memory.getAtIndex(ValueLayout.JAVA_INT, draws + rows + (long) row * topTokens + rank);
    }

    /** Log-probability of one of the most probable tokens of a row, with the same rows and ranks as {@link #topId}. */
    public float topLogProbability(int row, int rank) {
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, draws + rows + (long) (rows + row) * topTokens + rank);
    }
}
