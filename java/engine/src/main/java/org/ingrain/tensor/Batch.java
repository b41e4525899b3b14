package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The {@code ingrain_batch} descriptor of one ragged step. The descriptor refers to device arrays, which the caller
 * fills, and contains the sizes of the current step.
 */
public final class Batch {
    private final MemorySegment descriptor;
    private final long maxBlocks;
    private long maxTokens;
    private long maxSequences;
    private Tensor sequenceOffsets;
    private Tensor positions;
    private Tensor blockTables;
    private Tensor prefixGroups;
    private Tensor prefixBlocks;
    private Tensor adapterSlots;

    /** The plan of attention has nine I32 elements per token, and this number in addition (ingrain.h). */
    private static final long PLAN_ELEMENTS = 262_152;

    /** Creates a descriptor without arrays. Call {@link #lay} before use. */
    public Batch(Arena arena, long maxBlocks, long blockSize) {
        this.maxBlocks = maxBlocks;
        descriptor = arena.allocate(96, 8);
        descriptor.set(ValueLayout.JAVA_LONG, 72, blockSize);
    }

    /**
     * Places the arrays in {@code memory}, an I32 tensor of at least {@link #elements} elements.
     *
     * @param tokens    maximum number of tokens in a step
     * @param sequences maximum number of sequences in a step
     */
    public void lay(Tensor memory, long tokens, long sequences) {
        maxTokens = tokens;
        maxSequences = sequences;
        long at = 0;
        sequenceOffsets = memory.slice(at, sequences + 1);
        at += sequences + 1;
        positions = memory.slice(at, tokens);
        at += tokens;
        blockTables = memory.slice(at, sequences * maxBlocks);
        at += sequences * maxBlocks;
        prefixGroups = memory.slice(at, sequences);
        at += sequences;
        prefixBlocks = memory.slice(at, sequences);
        at += sequences;
        adapterSlots = memory.slice(at, tokens);
        descriptor.set(ValueLayout.JAVA_LONG, 0, sequenceOffsets.address());
        descriptor.set(ValueLayout.JAVA_LONG, 8, positions.address());
        descriptor.set(ValueLayout.JAVA_LONG, 16, blockTables.address());
        descriptor.set(ValueLayout.JAVA_LONG, 24, prefixGroups.address());
        descriptor.set(ValueLayout.JAVA_LONG, 32, prefixBlocks.address());
    }

    /** The number of I32 elements that the arrays of a batch of these sizes occupy. */
    public static long elements(long maxTokens, long maxSequences, long maxBlocks) {
        return maxSequences + 1 + maxTokens * 2 + maxSequences * (maxBlocks + 2);
    }

    /**
     * Gives attention over the cache memory for its plan of a step, so that the plan is computed once per step instead
     * of once per layer.
     *
     * @param plan an I32 tensor of at least {@link #planElements} elements
     */
    public void planIn(Tensor plan) {
        descriptor.set(ValueLayout.JAVA_LONG, 80, plan.address());
    }

    /** The number of I32 elements that attention's plan of a step with this number of tokens occupies. */
    public static long planElements(long maxTokens) {
        return 9 * maxTokens + PLAN_ELEMENTS;
    }

    /** Says whether attention of a previous layer has computed the plan of the current step. */
    public void planned(boolean planned) {
        descriptor.set(ValueLayout.JAVA_LONG, 88, planned ? 1L : 0L);
    }

    /** Sets the sizes of the current step. If {@code adapters} is false, ops do not read the adapter slots. */
    public void use(long tokens, long sequences, boolean adapters) {
        if (tokens > maxTokens || sequences > maxSequences) {
            throw new IndexOutOfBoundsException(tokens + " tokens of " + sequences + " sequences in a batch of "
                    + maxTokens + ", " + maxSequences);
        }
        descriptor.set(ValueLayout.JAVA_LONG, 40, adapters ? adapterSlots.address() : 0L);
        descriptor.set(ValueLayout.JAVA_LONG, 48, tokens);
        descriptor.set(ValueLayout.JAVA_LONG, 56, sequences);
        descriptor.set(ValueLayout.JAVA_LONG, 64, maxBlocks);
        planned(false);
    }

    /** The address of the native descriptor; only the packages {@code ffi} and {@code tensor} may use this address. */
    public long address() {
        return descriptor.address();
    }

    public long tokens() {
        return descriptor.get(ValueLayout.JAVA_LONG, 48);
    }

    public long sequences() {
        return descriptor.get(ValueLayout.JAVA_LONG, 56);
    }

    /** Entries per block table. */
    public long maxBlocks() {
        return maxBlocks;
    }

    /** Tokens per cache block. */
    public long blockSize() {
        return descriptor.get(ValueLayout.JAVA_LONG, 72);
    }

    /** The index of each sequence's first row; the last element is the number of rows. Shape (S + 1) I32. */
    public Tensor sequenceOffsets() {
        return sequenceOffsets;
    }

    /** The position of each row's token in its sequence, from 0; shape (T) I32. */
    public Tensor positions() {
        return positions;
    }

    /** The block tables of the sequences, one after another; S·{@code maxBlocks} elements I32. */
    public Tensor blockTables() {
        return blockTables;
    }

    /**
     * Prefix group of each sequence; shape (S) I32. The sequences of a group are adjacent and share their leading
     * blocks.
     */
    public Tensor prefixGroups() {
        return prefixGroups;
    }

    /** For each sequence, the number of leading blocks that its group shares; shape (S) I32. */
    public Tensor prefixBlocks() {
        return prefixBlocks;
    }

    /** Adapter slot of each row, -1 for none; shape (T) I32. Null if the step uses no adapter. */
    public Tensor adapterSlots() {
        return descriptor.get(ValueLayout.JAVA_LONG, 40) == 0 ? null : adapterSlots;
    }
}
