package org.ingrain.model;

import java.util.List;
import java.util.stream.IntStream;
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

    /** Numbers of ranks that can share a model evenly, ascending; 1 is always among them. */
    public static List<Integer> counts(Blueprint c) {
        return IntStream.of(1, 2, 4, CHUNKS).filter(count -> count == 1 || shares(c, count)).boxed().toList();
    }

    /** Where ranks outnumber key-value heads, several have the same one. */
    private static boolean shares(Blueprint c, int count) {
        int heads = c.attention().numKeyValueHeads();
        return c.attention().numAttentionHeads() % count == 0 && (heads % count == 0 || count % heads == 0)
                && chunk(c.intermediateSize()) > 0 && chunk(c.attention().queries()) > 0;
    }

    /** Refuses a model that this many ranks cannot share evenly. */
    void require(Blueprint c) {
        if (!counts(c).contains(count)) {
            throw InputException.field("tensorParallelSize", count + ", " + refusal(c));
        }
    }

    /** Which numbers of ranks can share a model, and what of. */
    public static String refusal(Blueprint c) {
        return "expected one of " + counts(c) + " for " + c.attention().numAttentionHeads() + " heads, "
                + c.attention().numKeyValueHeads() + " key-value heads and an intermediate_size of "
                + c.intermediateSize();
    }

    /** Columns of one chunk of a row-parallel weight of {@code columns} in all, or 0 where they do not divide. */
    static long chunk(long columns) {
        return columns % (2 * CHUNKS) == 0 ? columns / CHUNKS : 0;
    }
}
