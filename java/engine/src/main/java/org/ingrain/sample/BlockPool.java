package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Reference counts of the cache blocks, and an index that finds full blocks by their content. The key of a block
 * consists of the block's own tokens, the adapter and a number that stands for all preceding blocks. The index compares
 * whole keys, not only hashes, so different contents never match. With {@code keepIdle}, an indexed block with
 * reference count 0 stays in the index until its memory is needed for other content. If there is no free block, the
 * indexed block that has had reference count 0 for the longest time is evicted.
 */
final class BlockPool {
    /** The {@code previous} argument for the first block of a sequence. */
    static final long ROOT = -1;

    private record Key(long previous, int adapter, int[] tokens) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Key k && previous == k.previous && adapter == k.adapter
                    && Arrays.equals(tokens, k.tokens);
        }

        @Override
        public int hashCode() {
            return (Long.hashCode(previous) * 31 + adapter) * 31 + Arrays.hashCode(tokens);
        }
    }

    /**
     * An entry of the index: a block that other sequences can share. Each entry has its own serial number. The key of
     * the next block of a sequence contains this serial number. If the block is reused for other content, it gets
     * another serial number, so the old keys of the blocks that followed it no longer match.
     */
    record Known(int block, long serial) {
    }

    private final int[] references;
    private final ArrayDeque<Integer> free = new ArrayDeque<>();
    private final LinkedHashMap<Integer, Key> idle = new LinkedHashMap<>();
    private final Map<Key, Known> known = new HashMap<>();
    private final Map<Integer, Key> keys = new HashMap<>();
    private final int blockSize;
    private final boolean keepIdle;
    private long nextSerial;

    /**
     * @param blocks    number of blocks
     * @param blockSize tokens per block
     * @param keepIdle  whether blocks with reference count 0 stay in the index until their memory is needed
     */
    BlockPool(int blocks, int blockSize, boolean keepIdle) {
        this.blockSize = blockSize;
        this.keepIdle = keepIdle;
        references = new int[blocks];
        for (int i = 0; i < blocks; i++) {
            free.add(i);
        }
    }

    /** Number of blocks that {@link #take} can return now: free blocks and indexed blocks with reference count 0. */
    int available() {
        return free.size() + idle.size();
    }

    int blocks() {
        return references.length;
    }

    /** Tokens per block. */
    int blockSize() {
        return blockSize;
    }

    /** Allocates a block with reference count 1. Returns -1 if no block is available. */
    int take() {
        Integer block = free.poll();
        if (block == null) {
            var eldest = idle.pollFirstEntry();
            if (eldest == null) {
                return -1;
            }
            block = eldest.getKey();
            forget(block);
        }
        references[block] = 1;
        return block;
    }

    /** Increments the reference count of a block. */
    void hold(int block) {
        if (references[block]++ == 0) {
            idle.remove(block);
        }
    }

    /** Decrements the reference count of a block. */
    void release(int block) {
        if (--references[block] > 0) {
            return;
        }
        Key key = keys.get(block);
        if (key != null && keepIdle) {
            idle.put(block, key);
            return;
        }
        if (key != null) {
            forget(block);
        }
        free.add(block);
    }

    /**
     * Returns the block that contains these tokens and whose preceding block has the serial number {@code previous}.
     * Returns null if there is no such block.
     */
    Known find(long previous, int adapter, int[] tokens) {
        return known.get(new Key(previous, adapter, tokens));
    }

    /**
     * Adds a full block to the index, unless the index contains a block with the same content. Returns the serial
     * number of the content, which the caller passes as {@code previous} for the next block of the sequence.
     */
    long publish(int block, long previous, int adapter, int[] tokens) {
        Key key = new Key(previous, adapter, tokens);
        Known present = known.get(key);
        if (present != null) {
            return present.serial;
        }
        if (keys.containsKey(block)) {
            throw new IllegalStateException("block " + block + " is known already");
        }
        Known content = new Known(block, nextSerial++);
        known.put(key, content);
        keys.put(block, key);
        return content.serial;
    }

    /** Removes all blocks of an adapter slot from the index, because the adapter's weights are about to change. */
    void forgetAdapter(int adapter) {
        for (int block : keys.entrySet().stream().filter(e -> e.getValue().adapter == adapter).map(Map.Entry::getKey)
                .toList()) {
            forget(block);
            if (idle.remove(block) != null) {
                free.add(block);
            }
        }
    }

    private void forget(int block) {
        known.remove(keys.remove(block));
    }
}
