package org.ingrain.sample;

import java.util.Arrays;

/**
 * The cache blocks of one sequence in position order, and the number of the sequence's computed tokens. A token is
 * computed when its keys and values are in the cache. A full block with known tokens is published in the pool's index,
 * so that another sequence with the same prefix can share it. A shared block is never written, because a sequence
 * writes only to positions after its computed tokens.
 *
 * <p>Example with blocks of 4 tokens and a prompt of 10 tokens:
 * <pre>
 *   a.grow(10)                   a: 0 1 2        takes three blocks
 *   a.advance(10), a.publish     a: 0 1 2        10 computed; 0 and 1 are full and published, 2 holds two tokens
 *   b = a.fork(), b.grow(10)     b: 0 1 3        shares 0 and 1 with a; the caller copies 2 to 3
 *   c.adopt(same prompt)         c: 0 1          8 computed; grow(10) then takes a block for the rest
 *   a.drop()                     a: -            b and c still hold 0 and 1; 2 is free
 * </pre>
 */
final class BlockTable {
    private final BlockPool pool;
    private final int adapterSlot;
    private int[] blocks = new int[4];
    private int count;
    private int computed;
    private int published;
    /** Serial number of the last published block of this sequence; see {@link BlockPool.Known}. */
    private long serial = BlockPool.ROOT;

    /** @param adapterSlot slot of the adapter with which the keys and values are computed; -1 for the base model */
    BlockTable(BlockPool pool, int adapterSlot) {
        this.pool = pool;
        this.adapterSlot = adapterSlot;
    }

    int adapterSlot() {
        return adapterSlot;
    }

    /** Number of tokens whose keys and values are in the cache. */
    int computed() {
        return computed;
    }

    /** Increases the number of computed tokens. The blocks of these tokens must have been allocated. */
    void advance(int tokens) {
        computed += tokens;
    }

    /**
     * Allocates blocks until the table has capacity for this number of tokens. Returns false if the pool has no more
     * blocks; the table then keeps the blocks that this call has allocated.
     */
    boolean grow(int tokens) {
        while (count * pool.blockSize() < tokens) {
            int block = pool.take();
            if (block < 0) {
                return false;
            }
            add(block);
        }
        return true;
    }

    /** Number of blocks that must be added to this table so that it has capacity for this number of tokens. */
    int missing(int tokens) {
        return Math.ceilDiv(tokens, pool.blockSize()) - count;
    }

    private void add(int block) {
        if (count == blocks.length) {
            blocks = Arrays.copyOf(blocks, 2 * count);
        }
        blocks[count++] = block;
    }

    private void share(int block) {
        pool.hold(block);
        add(block);
    }

    /**
     * Adds to this table the published blocks that match a prefix of the first n ids, and counts their tokens as
     * computed. At least one of the n tokens remains to be computed. The table must be empty.
     */
    void adopt(int[] ids, int n) {
        for (int end = pool.blockSize(); end < n; end += pool.blockSize()) {
            BlockPool.Known found = pool.find(serial, adapterSlot,
                    Arrays.copyOfRange(ids, end - pool.blockSize(), end));
            if (found == null) {
                return;
            }
            share(found.block());
            serial = found.serial();
            published++;
            computed = end;
        }
    }

    /**
     * Publishes every block that is full of computed tokens with known ids. The host knows the first n ids; it has not
     * read later ids yet.
     */
    void publish(int[] ids, int n) {
        int size = pool.blockSize();
        while ((published + 1) * size <= Math.min(computed, n)) {
            serial = pool.publish(blocks[published], serial, adapterSlot,
                    Arrays.copyOfRange(ids, published * size, (published + 1) * size));
            published++;
        }
    }

    /** Whether the block of the last computed token is only partly filled. */
    boolean partial() {
        return computed % pool.blockSize() != 0;
    }

    /**
     * Returns a new table with the same computed tokens. The new table shares the full blocks of this table. If the
     * last block of this table is partly filled, the caller must copy this block for the new table.
     */
    BlockTable fork() {
        BlockTable fork = new BlockTable(pool, adapterSlot);
        for (int i = 0; i < computed / pool.blockSize(); i++) {
            fork.share(blocks[i]);
        }
        fork.computed = computed;
        fork.published = published;
        fork.serial = serial;
        return fork;
    }

    /** Releases all blocks; all tokens must then be computed again. */
    void drop() {
        for (int i = 0; i < count; i++) {
            pool.release(blocks[i]);
        }
        count = 0;
        computed = 0;
        published = 0;
        serial = BlockPool.ROOT;
    }

    /** A copy of the block numbers. */
    int[] blocks() {
        return Arrays.copyOf(blocks, count);
    }

    int first() {
        return blocks[0];
    }

    int last() {
        return blocks[count - 1];
    }

    /** Number of fully computed leading blocks that this table and {@code other} have in common. */
    int shared(BlockTable other) {
        int most = Math.min(computed, other.computed) / pool.blockSize();
        int same = 0;
        while (same < most && blocks[same] == other.blocks[same]) {
            same++;
        }
        return same;
    }
}
