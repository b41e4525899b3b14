package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * Builds one ragged step from the tokens of several sequences. A sequence may contribute a whole prompt or a single
 * token. The step's arrays are in staging memory, which is uploaded to the device. Their sizes depend on the step's
 * {@link Shape}. If the previous step samples a token on the device, the host may not know its id yet. For such a
 * token, this step stores the token's index among the ids that the previous step samples, and the device looks up the
 * id. One instance is allocated for the largest step and reused.
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
    /** The adapter slot of each row of the step. */
    private final int[] slotOfRow;

    /**
     * The sizes of the largest step.
     *
     * @param tokens    maximum number of tokens
     * @param sequences maximum number of sequences
     * @param logitRows maximum number of rows whose logits are computed
     * @param maxBlocks entries per block table
     * @param blockSize tokens per cache block
     * @param ranks     number of ranks that share the model
     */
    public record Limits(int tokens, int sequences, int logitRows, int maxBlocks, int blockSize, int ranks) {
    }

    /**
     * The sizes of the current step. The shape is set before the sequences are added one by one.
     *
     * @param tokens    T, number of tokens
     * @param sequences S, number of sequences
     * @param logitRows M, number of rows whose logits are computed
     * @param adapters  whether any row has an adapter
     */
    public record Shape(int tokens, int sequences, int logitRows, boolean adapters) {
    }

    /**
     * The cache blocks and the adapter of a sequence in one step.
     *
     * @param blocks       the sequence's block table
     * @param group        prefix group; the sequences of a group are adjacent in the step and share their leading
     *                     blocks
     * @param prefixBlocks number of leading blocks that the group shares; 0 for none
     * @param adapterSlot  adapter slot of the rows; -1 for the base model
     */
    public record Placement(int[] blocks, int group, int prefixBlocks, int adapterSlot) {
    }

    /**
     * The staged arrays of one step, all I32. An array that is not needed is empty.
     *
     * @param given      (T) known ids
     * @param source     (T) index of each row's id among the ids that the previous step sampled; -1 for a known id
     * @param batch      the arrays of {@link Batch}
     * @param logitRows  (M) rows whose logits are computed
     * @param logitOrder (M·ranks) row indices for {@link Gathering} of the logits; only with several ranks
     * @param tokenOrder (T·ranks) row indices for {@link Gathering} of an adapter's input; only with several ranks and
     *                   adapters
     * @param logitSlots (M) adapter slot of each logit row; only with adapters
     * @param slotRows   (T) slot·T + t for row t, where slot is the row's adapter slot, or 0 without an adapter; only
     *                   with adapters
     */
    private record Arrays(Tensor given, Tensor source, Tensor batch, Tensor logitRows, Tensor logitOrder,
            Tensor tokenOrder, Tensor logitSlots, Tensor slotRows) {
        static Arrays reserve(Staging staging, Limits limits, Shape shape) {
            int ranks = limits.ranks == 1 ? 0 : limits.ranks;
            return new Arrays(staging.reserve(DType.I32, shape.tokens), staging.reserve(DType.I32, shape.tokens),
                    staging.reserve(DType.I32, Batch.elements(shape.tokens, shape.sequences, limits.maxBlocks)),
                    staging.reserve(DType.I32, shape.logitRows),
                    staging.reserve(DType.I32, (long) shape.logitRows * ranks),
                    staging.reserve(DType.I32, shape.adapters ? (long) shape.tokens * ranks : 0),
                    staging.reserve(DType.I32, shape.adapters ? shape.logitRows : 0),
                    staging.reserve(DType.I32, shape.adapters ? shape.tokens : 0));
        }
    }

    /**
     * Creates an object for steps of at most these sizes. {@code staging} must be large enough for the arrays that
     * {@link #reserve} reserves.
     */
    public Step(Allocator allocator, Limits limits, Staging staging) {
        this.limits = limits;
        this.staging = staging;
        ops = new Ops(allocator.context());
        batch = allocator.context().batch(limits.maxBlocks(), limits.blockSize());
        batch.planIn(allocator.allocate(DType.I32, Batch.planElements(limits.tokens())));
        ids = allocator.allocate(DType.I32, limits.tokens());
        slotOfRow = new int[limits.tokens()];
    }

    /** Reserves the arrays of the largest step. */
    public static void reserve(Staging staging, Limits limits) {
        Arrays.reserve(staging, limits, new Shape(limits.tokens, limits.sequences, limits.logitRows, true));
    }

    /** Starts to build a step of exactly this shape. */
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

    /**
     * Fills {@code order} with row indices into the result of an all_gather with n rows per rank. The parts of row i
     * are the rows i, n + i, 2n + i, ...
     */
    private void order(Tensor order, int n) {
        int ranks = n == 0 ? 0 : (int) order.elements() / n;
        for (int i = 0; i < n; i++) {
            for (int r = 0; r < ranks; r++) {
                staging.put(order, (long) i * ranks + r, r * n + i);
            }
        }
    }

    /**
     * Adds a sequence's tokens, starting at position {@code from}. Returns the index, within the step, of the
     * sequence's first row.
     */
    public int add(int[] ids, int from, Placement place) {
        int first = tokens;
        for (int i = 0; i < ids.length; i++) {
            row(ids[i], -1, from + i, place);
        }
        place(place);
        return first;
    }

    /**
     * Adds a sequence with one token at {@code position}, whose id the previous step samples. {@code drawn} is the
     * index, from 0, of this id among the ids that the previous step samples. Returns the index of the token's row in
     * this step.
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
            staging.put(arrays.slotRows, tokens, Math.max(place.adapterSlot, 0) * shape.tokens + tokens);
            slotOfRow[tokens] = place.adapterSlot;
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

    /** Requests the logits of a row. Returns the index of the row among the logit rows. */
    public int wantLogits(int row) {
        staging.put(arrays.logitRows, rows, row);
        if (shape.adapters) {
            staging.put(arrays.logitSlots, rows, slotOfRow[row]);
        }
        return rows++;
    }

    /**
     * Enqueues the selection of each row's id: the known id, or one of the ids in {@code drawn}, which the previous
     * step sampled. This must be the first op after the upload.
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

    /** The number of rows whose logits are requested. */
    public int logitCount() {
        return shape.logitRows;
    }

    Batch batch() {
        return batch;
    }

    /** The token ids of the current step (T). */
    Tensor ids() {
        return ids.rows(0, shape.tokens);
    }

    /** The indices of the rows whose logits are computed in the current step (M). */
    Tensor logitRows() {
        return arrays.logitRows;
    }

    /** Row indices (M·ranks) for {@link Gathering} of the logits; empty if there is only one rank. */
    Tensor logitOrder() {
        return arrays.logitOrder;
    }

    /**
     * Row indices (T·ranks) for {@link Gathering} of an adapter's input; empty if the step has no adapters or if there
     * is only one rank.
     */
    Tensor tokenOrder() {
        return arrays.tokenOrder;
    }

    /** The adapter slots (M) of the logit rows; only for a step with adapters. */
    Tensor logitSlots() {
        return arrays.logitSlots;
    }

    /** (T) the index of row t in a table with T rows per slot, which is slot·T + t; only for a step with adapters. */
    Tensor slotRows() {
        return arrays.slotRows;
    }
}
