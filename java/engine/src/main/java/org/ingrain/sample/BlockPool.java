package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which cache blocks are taken, and how often. A block has a reference count; full blocks of known content can be found
 * again by what they hold: the key is the block before, the adapter, and the block's own tokens, compared in full, so
 * two contents are never confused. A known block that nobody holds stays until its memory is wanted, least recently
 * used first.
 */
final class BlockPool {
    /** No block before this one. */
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
     * A block whose content is known: serial numbers contents, so that a successor's key means this content and no
     * later one.
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
     * @param blockSize tokens a block
     * @param keepIdle  known blocks that nobody holds stay known until their memory is wanted
     */
    BlockPool(int blocks, int blockSize, boolean keepIdle) {
        this.blockSize = blockSize;
        this.keepIdle = keepIdle;
        references = new int[blocks];
        for (int i = 0; i < blocks; i++) {
            free.add(i);
        }
    }

    /** Blocks that can be taken now. */
    int available() {
        return free.size() + idle.size();
    }

    int blocks() {
        return references.length;
    }

    /** Tokens a block. */
    int blockSize() {
        return blockSize;
    }

    /** Takes a block, held once; -1 where none is left. */
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

    /** Holds a block once more. */
    void hold(int block) {
        if (references[block]++ == 0) {
            idle.remove(block);
        }
    }

    /** Lets go of a block once. */
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

    /** The block that holds these tokens after the content {@code previous}, or null. */
    Known find(long previous, int adapter, int[] tokens) {
        return known.get(new Key(previous, adapter, tokens));
    }

    /** Makes a full block's content known; returns the serial under which its successor is found. */
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

    /** Forgets every known content of an adapter slot, whose weights are about to change. */
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
