package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The {@code ingrain_batch} descriptor of one ragged step: device arrays sized for the largest step, and how much of
 * them the present step uses. The arrays are filled by whoever builds the step.
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

    /** Without arrays, until {@link #lay}. */
    public Batch(Arena arena, long maxBlocks, long blockSize) {
        this.maxBlocks = maxBlocks;
        descriptor = arena.allocate(80, 8);
        descriptor.set(ValueLayout.JAVA_LONG, 72, blockSize);
    }

    /**
     * Places the arrays in I32 memory of {@link #elements} elements.
     *
     * @param tokens    most tokens of a step
     * @param sequences most sequences of a step
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

    /** I32 elements of device memory that a batch of these sizes needs. */
    public static long elements(long maxTokens, long maxSequences, long maxBlocks) {
        return maxSequences + 1 + maxTokens * 2 + maxSequences * (maxBlocks + 2);
    }

    /** Sets the sizes of the present step; {@code adapters} says whether adapter slots are read at all. */
    public void use(long tokens, long sequences, boolean adapters) {
        if (tokens > maxTokens || sequences > maxSequences) {
            throw new IndexOutOfBoundsException(tokens + " tokens of " + sequences + " sequences in a batch of "
                    + maxTokens + ", " + maxSequences);
        }
        descriptor.set(ValueLayout.JAVA_LONG, 40, adapters ? adapterSlots.address() : 0L);
        descriptor.set(ValueLayout.JAVA_LONG, 48, tokens);
        descriptor.set(ValueLayout.JAVA_LONG, 56, sequences);
        descriptor.set(ValueLayout.JAVA_LONG, 64, maxBlocks);
    }

    /** Address of the descriptor; for {@code ffi} and {@code tensor} alone. */
    public long address() {
        return descriptor.address();
    }

    public long tokens() {
        return descriptor.get(ValueLayout.JAVA_LONG, 48);
    }

    public long sequences() {
        return descriptor.get(ValueLayout.JAVA_LONG, 56);
    }

    /** Entries of a block table. */
    public long maxBlocks() {
        return maxBlocks;
    }

    /** Tokens of a cache block. */
    public long blockSize() {
        return descriptor.get(ValueLayout.JAVA_LONG, 72);
    }

    /** (S + 1) first row of each sequence. */
    public Tensor sequenceOffsets() {
        return sequenceOffsets;
    }

    /** (T) absolute positions. */
    public Tensor positions() {
        return positions;
    }

    /** (S, maxBlocks) cache blocks. */
    public Tensor blockTables() {
        return blockTables;
    }

    /** (S) equal numbers stand together and share leading blocks. */
    public Tensor prefixGroups() {
        return prefixGroups;
    }

    /** (S) leading blocks shared by the group. */
    public Tensor prefixBlocks() {
        return prefixBlocks;
    }

    /** (T) adapter of each row, -1 for none; null where the step uses no adapter. */
    public Tensor adapterSlots() {
        return descriptor.get(ValueLayout.JAVA_LONG, 40) == 0 ? null : adapterSlots;
    }
}
