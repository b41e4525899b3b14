package org.ingrain.model;

import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.tensor.InputException;

/**
 * The position of a device in a tensor-parallel group.
 *
 * @param index this rank, from 0
 * @param count number of ranks: 1, 2, 4 or 8
 */
public record Rank(int index, int count) {
    /**
     * The number of chunks into which the columns of a column-sharded weight are divided. Each chunk yields one partial
     * sum. On the CPU, and on GPUs in deterministic mode, the number of chunks does not depend on the number of ranks,
     * so results are bit-identical for every number of ranks.
     */
    public static final int CHUNKS = 8;
    public static final Rank SINGLE = new Rank(0, 1);

    public Rank {
        if (count < 1 || count > CHUNKS || CHUNKS % count != 0 || index < 0 || index >= count) {
            throw new InputException("rank: " + index + " of " + count + ", expected 1, 2, 4 or 8 ranks");
        }
    }

    /**
     * Returns the supported numbers of ranks, in ascending order. The model can be sharded evenly over each of these
     * numbers of ranks. 1 is always included.
     *
     * @param group number of adjacent columns that share a scale in the layers' matrices; 0 if no columns share one
     */
    public static List<Integer> counts(Blueprint c, int group) {
        return IntStream.of(1, 2, 4, CHUNKS).filter(count -> count == 1 || shares(c, count, group)).boxed().toList();
    }

    /**
     * Whether the model can be sharded evenly over {@code count} ranks. If there are more ranks than key-value heads,
     * several ranks hold the same key-value head.
     */
    private static boolean shares(Blueprint c, int count, int group) {
        int heads = c.attention().numKeyValueHeads();
        return c.attention().numAttentionHeads() % count == 0 && (heads % count == 0 || count % heads == 0)
                && chunk(c.intermediateSize(), group) > 0 && chunk(c.attention().queries(), group) > 0;
    }

    /** Throws an InputException if the model cannot be sharded evenly over this number of ranks. */
    void require(Blueprint c, int group) {
        if (!counts(c, group).contains(count)) {
            throw InputException.field("tensorParallelSize", count + ", " + refusal(c, group));
        }
    }

    /** The error text for an unsupported number of ranks: the supported numbers and the sizes that limit them. */
    public static String refusal(Blueprint c, int group) {
        return "expected one of " + counts(c, group) + " for " + c.attention().numAttentionHeads() + " heads, "
                + c.attention().numKeyValueHeads() + " key-value heads and an intermediate_size of "
                + c.intermediateSize() + (group == 0 ? "" : "; columns are divided into " + CHUNKS
                        + " chunks, which must consist of whole groups of " + group + " columns");
    }

    /**
     * The number of columns per chunk of a column-sharded weight that has {@code columns} columns. The result is 0 if
     * {@code columns} is not a multiple of 2·CHUNKS, or if a chunk would not consist of whole groups of {@code group}
     * columns.
     */
    static long chunk(long columns, int group) {
        return columns % (CHUNKS * Math.max(2, (long) group)) == 0 ? columns / CHUNKS : 0;
    }
}
