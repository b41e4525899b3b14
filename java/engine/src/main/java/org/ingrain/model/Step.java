package org.ingrain.model;

import org.ingrain.ffi.Context;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * One ragged step in the making: tokens of several sequences, some a whole prompt, some one token. Filled row by row on the host, then
 * {@link #upload}ed for {@link Llama#forward}. Built once for the largest step and used again.
 */
public final class Step {
    private final Context context;
    private final Batch batch;
    private final Tensor ids;
    private final Tensor logitRows;
    private final int[] hostIds;
    private final int[] hostPositions;
    private final int[] hostSlots;
    private final int[] hostOffsets;
    private final int[] hostTables;
    private final int[] hostGroups;
    private final int[] hostPrefixBlocks;
    private final int[] hostLogitRows;
    private int tokens;
    private int sequences;
    private int rows;
    private boolean adapters;

    /**
     * The largest step.
     *
     * @param tokens    T
     * @param sequences S
     * @param logitRows rows whose logits are wanted
     * @param maxBlocks entries of a block table
     * @param blockSize tokens a cache block
     */
    public record Limits(int tokens, int sequences, int logitRows, int maxBlocks, int blockSize) {
    }

    /**
     * A sequence's place in the cache during a step.
     *
     * @param blocks       its block table
     * @param group        sequences of one group stand together in the step and share their leading blocks
     * @param prefixBlocks how many leading blocks the group shares, 0 for none
     * @param adapterSlot  adapter of its rows, -1 for the base model
     */
    public record Placement(int[] blocks, int group, int prefixBlocks, int adapterSlot) {
    }

    public Step(Context context, Limits limits) {
        this.context = context;
        batch = context.batch(limits.tokens(), limits.sequences(), limits.maxBlocks(), limits.blockSize());
        ids = context.allocate(DType.I32, limits.tokens());
        logitRows = context.allocate(DType.I32, limits.logitRows());
        hostIds = new int[limits.tokens()];
        hostPositions = new int[limits.tokens()];
        hostSlots = new int[limits.tokens()];
        hostOffsets = new int[limits.sequences() + 1];
        hostTables = new int[limits.sequences() * limits.maxBlocks()];
        hostGroups = new int[limits.sequences()];
        hostPrefixBlocks = new int[limits.sequences()];
        hostLogitRows = new int[limits.logitRows()];
    }

    /** Empties the step. */
    public void clear() {
        tokens = 0;
        sequences = 0;
        rows = 0;
        adapters = false;
    }

    /** Adds tokens sequence[from, to) at positions from ..; returns the step's row of the first. */
    public int add(int[] sequence, int from, int to, Placement place) {
        int first = tokens;
        for (int i = from; i < to; i++) {
            hostIds[tokens] = sequence[i];
            hostPositions[tokens] = i;
            hostSlots[tokens] = place.adapterSlot();
            tokens++;
        }
        adapters |= place.adapterSlot() >= 0;
        hostGroups[sequences] = place.group();
        hostPrefixBlocks[sequences] = place.prefixBlocks();
        System.arraycopy(place.blocks(), 0, hostTables, Math.toIntExact(sequences * batch.maxBlocks()), place.blocks().length);
        sequences++;
        hostOffsets[sequences] = tokens;
        return first;
    }

    /** Asks for the logits of a row; returns its index among the logits. */
    public int wantLogits(int row) {
        hostLogitRows[rows] = row;
        return rows++;
    }

    /** Copies the step to the device. */
    public void upload() {
        context.write(ids, hostIds, tokens);
        context.write(batch.positions(), hostPositions, tokens);
        context.write(batch.sequenceOffsets(), hostOffsets, sequences + 1);
        context.write(batch.blockTables(), hostTables, Math.toIntExact(sequences * batch.maxBlocks()));
        context.write(batch.prefixGroups(), hostGroups, sequences);
        context.write(batch.prefixBlocks(), hostPrefixBlocks, sequences);
        if (adapters) {
            context.write(batch.adapterSlotMemory(), hostSlots, tokens);
        }
        context.write(logitRows, hostLogitRows, rows);
        batch.use(tokens, sequences, adapters);
    }

    public int tokens() {
        return tokens;
    }

    public int sequences() {
        return sequences;
    }

    /** Rows whose logits are wanted. */
    public int logitCount() {
        return rows;
    }

    Batch batch() {
        return batch;
    }

    /** (T) of the present step. */
    Tensor ids() {
        return ids.rows(0, tokens);
    }

    /** (M) of the present step. */
    Tensor logitRows() {
        return logitRows.rows(0, rows);
    }
}
