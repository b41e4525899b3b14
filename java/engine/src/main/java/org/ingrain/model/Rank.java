package org.ingrain.model;

import org.ingrain.tensor.InputException;

/**
 * A place in a tensor-parallel group.
 *
 * @param index of this rank, from 0
 * @param count of ranks: 1, 2, 4 or 8
 */
public record Rank(int index, int count) {
    /**
     * Row-parallel products are summed in this many chunks whatever the number of ranks, so that ranks do not change a
     * bit.
     */
    public static final int CHUNKS = 8;
    public static final Rank SINGLE = new Rank(0, 1);

    public Rank {
        if (count < 1 || count > CHUNKS || CHUNKS % count != 0 || index < 0 || index >= count) {
            throw new InputException("rank: " + index + " of " + count + ", expected 1, 2, 4 or 8 ranks");
        }
    }

    /** Refuses a model that this many ranks cannot share evenly. */
    void require(Blueprint c) {
        int heads = c.attention().numKeyValueHeads();
        boolean chunks = chunk(c.intermediateSize()) > 0 && chunk(c.attention().queries()) > 0;
        if (count > 1 && (heads % count != 0 || !chunks)) {
            throw new InputException("ranks: " + count + " cannot share " + heads
                    + " key-value heads and an intermediate_size of " + c.intermediateSize()
                    + ", expected multiples of " + count + " and 16");
        }
    }

    /** Columns of one chunk of a row-parallel weight of {@code columns} in all, or 0 where they do not divide. */
    static long chunk(long columns) {
        return columns % (2 * CHUNKS) == 0 ? columns / CHUNKS : 0;
    }
}
