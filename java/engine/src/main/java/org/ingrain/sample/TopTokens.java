package org.ingrain.sample;

import java.util.Arrays;
import org.ingrain.sample.step.StepResults;

/**
 * The n most probable tokens at each position of a text, most probable first, with their log-probabilities (natural
 * logarithm, temperature 1). No tokens are computed for the first position of a prompt, because no token precedes it;
 * the ids of this position are -1.
 */
public final class TopTokens {
    private final int n;
    private int[] ids;
    private float[] logProbabilities;
    private int positions;

    TopTokens(int n) {
        this.n = n;
        ids = new int[16 * n];
        logProbabilities = new float[16 * n];
    }

    /** Number of tokens per position. */
    public int n() {
        return n;
    }

    /** Number of positions. */
    public int positions() {
        return positions;
    }

    /** Id of a token at a position. The most probable token has {@code rank} 0. */
    public int id(int position, int rank) {
        return ids[position * n + rank];
    }

    /** Log-probability of a token at a position. The most probable token has {@code rank} 0. */
    public float logProbability(int position, int rank) {
        return logProbabilities[position * n + rank];
    }

    /** Combines the token that was generated at a position with the most probable tokens of this position. */
    GeneratedToken token(int id, float logProbability, int position) {
        int from = position * n;
        return new GeneratedToken(id, logProbability, Arrays.copyOfRange(ids, from, from + n),
                Arrays.copyOfRange(logProbabilities, from, from + n));
    }

    /** Stores row {@code row} of the results at a position. Earlier positions without results get ids -1. */
    void set(int position, StepResults results, int row) {
        if ((position + 1) * n > ids.length) {
            int size = Math.max((position + 1) * n, 2 * ids.length);
            ids = Arrays.copyOf(ids, size);
            logProbabilities = Arrays.copyOf(logProbabilities, size);
        }
        if (position > positions) {
            Arrays.fill(ids, positions * n, position * n, -1);
            Arrays.fill(logProbabilities, positions * n, position * n, Float.NaN);
        }
        for (int i = 0; i < n; i++) {
            ids[position * n + i] = results.topId(row, i);
            logProbabilities[position * n + i] = results.topLogProbability(row, i);
        }
        positions = Math.max(positions, position + 1);
    }
}
