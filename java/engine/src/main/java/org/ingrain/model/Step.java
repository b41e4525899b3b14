package org.ingrain.model;

import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * One ragged step in the making: tokens of several sequences, some a whole prompt, some one token. Its arrays lie in the staging memory
 * that carries them to the device, as long as its {@link Shape} says. A token may be one that the host does not know yet, because the
 * step before draws it on the device: such a row says where among the drawn ids it will be. Built once for the largest step.
 */
public final class Step {
    private final Limits limits;
    private final Staging staging;
    private final Ops ops;
    private final Batch batch;
    private final Tensor ids;
    private Shape shape;
    private Tensor given;
    private Tensor source;
    private Tensor logitRows;
    private int tokens;
    private int sequences;
    private int rows;

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
     * The present step, whose rows are then added one sequence after another.
     *
     * @param tokens    T
     * @param sequences S
     * @param logitRows M, rows whose logits are wanted
     * @param adapters  whether any row has an adapter
     */
    public record Shape(int tokens, int sequences, int logitRows, boolean adapters) {
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

    /** Steps within limits, in staging memory of which they need {@link #stagedBytes}. */
    public Step(Context context, Limits limits, Staging staging) {
        this.limits = limits;
        this.staging = staging;
        ops = new Ops(context);
        batch = context.batch(0, 0, limits.maxBlocks(), limits.blockSize());
        ids = context.allocate(DType.I32, limits.tokens());
    }

    /** Bytes of staging memory that the largest step takes. */
    public static long stagedBytes(Limits limits) {
        long elements = 2L * limits.tokens() + Batch.elements(limits.tokens(), limits.sequences(), limits.maxBlocks()) + limits.logitRows();
        return elements * Integer.BYTES + 4 * Staging.ALIGNMENT;
    }

    /** Begins a step of exactly this shape. */
    public void begin(Shape shape) {
        this.shape = shape;
        tokens = 0;
        sequences = 0;
        rows = 0;
        given = staging.reserve(DType.I32, shape.tokens);
        source = staging.reserve(DType.I32, shape.tokens);
        batch.lay(staging.reserve(DType.I32, Batch.elements(shape.tokens, shape.sequences, limits.maxBlocks)), shape.tokens, shape.sequences);
        batch.use(shape.tokens, shape.sequences, shape.adapters);
        logitRows = staging.reserve(DType.I32, shape.logitRows);
        staging.put(batch.sequenceOffsets(), 0, 0);
    }

    /** Adds tokens sequence[from, to) at positions from ..; returns the step's row of the first. */
    public int add(int[] sequence, int from, int to, Placement place) {
        int first = tokens;
        for (int position = from; position < to; position++) {
            row(sequence[position], -1, position, place);
        }
        place(place);
        return first;
    }

    /** Adds the token at one position, which will be the {@code drawn}-th id that the step before draws; returns its row. */
    public int addDrawn(int drawn, int position, Placement place) {
        int first = tokens;
        row(0, drawn, position, place);
        place(place);
        return first;
    }

    private void row(int id, int drawn, int position, Placement place) {
        staging.put(given, tokens, id);
        staging.put(source, tokens, drawn);
        staging.put(batch.positions(), tokens, position);
        if (shape.adapters) {
            staging.put(batch.adapterSlots(), tokens, place.adapterSlot);
        }
        tokens++;
    }

    private void place(Placement place) {
        staging.put(batch.prefixGroups(), sequences, place.group);
        staging.put(batch.prefixBlocks(), sequences, place.prefixBlocks);
        long table = sequences * batch.maxBlocks();
        for (int i = 0; i < place.blocks.length; i++) {
            staging.put(batch.blockTables(), table + i, place.blocks[i]);
        }
        sequences++;
        staging.put(batch.sequenceOffsets(), sequences, tokens);
    }

    /** Asks for the logits of a row; returns its index among the logits. */
    public int wantLogits(int row) {
        staging.put(logitRows, rows, row);
        return rows++;
    }

    /** Enqueues the choice of each row's id, given or among those drawn by the step before: the first thing after the upload. */
    public void selectIds(Tensor drawn) {
        ops.selectIds(ids(), given, source, drawn);
    }

    public int tokens() {
        return shape.tokens;
    }

    public int sequences() {
        return shape.sequences;
    }

    /** Rows whose logits are wanted. */
    public int logitCount() {
        return shape.logitRows;
    }

    Batch batch() {
        return batch;
    }

    /** (T) of the present step. */
    Tensor ids() {
        return ids.rows(0, shape.tokens);
    }

    /** (M) of the present step. */
    Tensor logitRows() {
        return logitRows;
    }
}
