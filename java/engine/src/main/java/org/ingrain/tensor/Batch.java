package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The {@code ingrain_batch} descriptor of one ragged step: device arrays sized for the largest step, and how much of them the
 * present step uses. The arrays are filled by whoever builds the step.
 */
public final class Batch {
    private final MemorySegment descriptor;
    private final long maxTokens;
    private final long maxSequences;
    private final long maxBlocks;
    private final Tensor sequenceOffsets;
    private final Tensor positions;
    private final Tensor blockTables;
    private final Tensor prefixGroups;
    private final Tensor prefixBlocks;
    private final Tensor adapterSlots;

    /** Takes I32 memory of {@link #elements} elements. */
    public Batch(Arena arena, Tensor memory, long maxTokens, long maxSequences, long maxBlocks, long blockSize) {
        this.maxTokens = maxTokens;
        this.maxSequences = maxSequences;
        this.maxBlocks = maxBlocks;
        long at = 0;
        sequenceOffsets = memory.slice(at, maxSequences + 1);
        at += maxSequences + 1;
        positions = memory.slice(at, maxTokens);
        at += maxTokens;
        blockTables = memory.slice(at, maxSequences * maxBlocks);
        at += maxSequences * maxBlocks;
        prefixGroups = memory.slice(at, maxSequences);
        at += maxSequences;
        prefixBlocks = memory.slice(at, maxSequences);
        at += maxSequences;
        adapterSlots = memory.slice(at, maxTokens);
        descriptor = arena.allocate(80, 8);
        descriptor.set(ValueLayout.JAVA_LONG, 0, sequenceOffsets.address());
        descriptor.set(ValueLayout.JAVA_LONG, 8, positions.address());
        descriptor.set(ValueLayout.JAVA_LONG, 16, blockTables.address());
        descriptor.set(ValueLayout.JAVA_LONG, 24, prefixGroups.address());
        descriptor.set(ValueLayout.JAVA_LONG, 32, prefixBlocks.address());
        descriptor.set(ValueLayout.JAVA_LONG, 72, blockSize);
    }

    /** I32 elements of device memory that a batch of these sizes needs. */
    public static long elements(long maxTokens, long maxSequences, long maxBlocks) {
        return maxSequences + 1 + maxTokens * 2 + maxSequences * (maxBlocks + 2);
    }

    /** Sets the sizes of the present step; {@code adapters} says whether adapter slots are read at all. */
    public void use(long tokens, long sequences, boolean adapters) {
        if (tokens > maxTokens || sequences > maxSequences) {
            throw new IndexOutOfBoundsException(tokens + " tokens of " + sequences + " sequences in a batch of " + maxTokens + ", " + maxSequences);
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

    public long maxTokens() {
        return maxTokens;
    }

    public long maxSequences() {
        return maxSequences;
    }

    /** Entries of a block table. */
    public long maxBlocks() {
        return maxBlocks;
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

    /** (T) the memory of the adapter slots, to be filled before {@link #use}. */
    public Tensor adapterSlotMemory() {
        return adapterSlots;
    }
}
