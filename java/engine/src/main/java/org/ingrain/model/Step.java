package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * One ragged step in the making: tokens of several sequences, some a whole prompt, some one token. Its arrays lie in
 * the staging memory that carries them to the device, as long as its {@link Shape} says. A token may be one that the
 * host does not know yet, because the step before draws it on the device: such a row says where among the drawn ids it
 * will be. Built once for the largest step.
 */
public final class Step {
    private final Limits limits;
    private final Staging staging;
    private final Ops ops;
    private final Batch batch;
    private final Tensor ids;
    private Shape shape;
    private Arrays arrays;
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
     * @param ranks     that share the model
     */
    public record Limits(int tokens, int sequences, int logitRows, int maxBlocks, int blockSize, int ranks) {
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

    /**
     * The staged arrays of one step, all I32: ids that are given (T), source of those that are not (T), the batch's,
     * logit rows (M). Over several ranks also where in what they gathered each row's share of a rank lies: of logits
     * (M·ranks), of tokens (T·ranks) where there are adapters; else they are empty.
     */
    private record Arrays(Tensor given, Tensor source, Tensor batch, Tensor logitRows, Tensor logitOrder,
            Tensor tokenOrder) {
        static Arrays reserve(Staging staging, Limits limits, Shape shape) {
            int ranks = limits.ranks == 1 ? 0 : limits.ranks;
            return new Arrays(staging.reserve(DType.I32, shape.tokens), staging.reserve(DType.I32, shape.tokens),
                    staging.reserve(DType.I32, Batch.elements(shape.tokens, shape.sequences, limits.maxBlocks)),
                    staging.reserve(DType.I32, shape.logitRows),
                    staging.reserve(DType.I32, (long) shape.logitRows * ranks),
                    staging.reserve(DType.I32, shape.adapters ? (long) shape.tokens * ranks : 0));
        }
    }

    /** Steps within limits, in staging memory with room for what {@link #reserve} reserves. */
    public Step(Allocator allocator, Limits limits, Staging staging) {
        this.limits = limits;
        this.staging = staging;
        ops = new Ops(allocator.context());
        batch = allocator.context().batch(limits.maxBlocks(), limits.blockSize());
        ids = allocator.allocate(DType.I32, limits.tokens());
    }

    /** Reserves the arrays of the largest step. */
    public static void reserve(Staging staging, Limits limits) {
        Arrays.reserve(staging, limits, new Shape(limits.tokens, limits.sequences, limits.logitRows, true));
    }

    /** Begins a step of exactly this shape. */
    public void begin(Shape shape) {
        this.shape = shape;
        tokens = 0;
        sequences = 0;
        rows = 0;
        arrays = Arrays.reserve(staging, limits, shape);
        batch.lay(arrays.batch, shape.tokens, shape.sequences);
        batch.use(shape.tokens, shape.sequences, shape.adapters);
        staging.put(batch.sequenceOffsets(), 0, 0);
        order(arrays.logitOrder, shape.logitRows);
        order(arrays.tokenOrder, shape.tokens);
    }

    /** all_gather of n rows yields (ranks, n): the parts of row i are at i, n + i, 2n + i, ... */
    private void order(Tensor order, int n) {
        int ranks = n == 0 ? 0 : (int) order.elements() / n;
        for (int i = 0; i < n; i++) {
            for (int r = 0; r < ranks; r++) {
                staging.put(order, (long) i * ranks + r, r * n + i);
            }
        }
    }

    /** Adds the tokens of a sequence from a position on; returns the step's row of the first. */
    public int add(int[] ids, int from, Placement place) {
        int first = tokens;
        for (int i = 0; i < ids.length; i++) {
            row(ids[i], -1, from + i, place);
        }
        place(place);
        return first;
    }

    /**
     * Adds the token at one position, which will be the {@code drawn}-th id that the step before draws; returns its
     * row.
     */
    public int addDrawn(int drawn, int position, Placement place) {
        int first = tokens;
        row(0, drawn, position, place);
        place(place);
        return first;
    }

    private void row(int id, int drawn, int position, Placement place) {
        staging.put(arrays.given, tokens, id);
        staging.put(arrays.source, tokens, drawn);
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
        staging.put(arrays.logitRows, rows, row);
        return rows++;
    }

    /**
     * Enqueues the choice of each row's id, given or among those drawn by the step before: the first thing after the
     * upload.
     */
    public void selectIds(Tensor drawn) {
        ops.selectIds(ids(), arrays.given, arrays.source, drawn);
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
        return arrays.logitRows;
    }

    /** (M·ranks) of the present step. */
    Tensor logitOrder() {
        return arrays.logitOrder;
    }

    /** (T·ranks) of the present step, if it has adapters. */
    Tensor tokenOrder() {
        return arrays.tokenOrder;
    }
}
