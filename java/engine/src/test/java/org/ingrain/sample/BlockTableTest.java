package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class BlockTableTest {
    private static final int[] PROMPT = {7, 3, 9, 1, 4, 4, 8, 2, 6, 5};

    private final BlockPool pool = new BlockPool(6, 4, true);

    private BlockTable computed(int tokens) {
        BlockTable table = new BlockTable(pool, -1);
        assertTrue(table.grow(tokens));
        table.advance(tokens);
        table.publish(PROMPT, PROMPT.length);
        return table;
    }

    /** The example in the Javadoc of BlockTable. */
    @Test
    void theExample() {
        BlockTable a = computed(10);
        assertArrayEquals(new int[] {0, 1, 2}, a.blocks());
        assertTrue(a.partial());
        BlockTable b = a.fork();
        assertArrayEquals(new int[] {0, 1}, b.blocks());
        assertTrue(b.grow(10));
        assertArrayEquals(new int[] {0, 1, 3}, b.blocks());
        assertEquals(10, b.computed());
        assertEquals(2, a.shared(b));
        BlockTable c = new BlockTable(pool, -1);
        c.adopt(PROMPT, 10);
        assertArrayEquals(new int[] {0, 1}, c.blocks());
        assertEquals(8, c.computed());
        assertEquals(1, c.missing(10));
        assertEquals(2, pool.available());
        a.drop();
        assertEquals(3, pool.available(), "b and c hold 0 and 1");
        assertEquals(0, a.computed());
        b.drop();
        c.drop();
        assertEquals(6, pool.available());
    }

    @Test
    void adoptionLeavesATokenToCompute() {
        computed(8);
        BlockTable other = new BlockTable(pool, -1);
        other.adopt(PROMPT, 8);
        assertEquals(4, other.computed());
        BlockTable longer = new BlockTable(pool, -1);
        longer.adopt(PROMPT, 9);
        assertEquals(8, longer.computed());
    }

    @Test
    void onlyWhatBeginsAlikeUnderTheSameAdapterIsAdopted() {
        computed(8);
        int[] other = PROMPT.clone();
        other[5] = 0;
        BlockTable half = new BlockTable(pool, -1);
        half.adopt(other, 10);
        assertArrayEquals(new int[] {0}, half.blocks());
        BlockTable adapted = new BlockTable(pool, 0);
        adapted.adopt(PROMPT, 10);
        assertEquals(0, adapted.blocks().length);
    }

    @Test
    void aBlockIsPublishedWhenItIsFullComputedAndKnown() {
        BlockTable table = new BlockTable(pool, -1);
        assertTrue(table.grow(8));
        table.advance(7);
        table.publish(PROMPT, 8);
        int[] second = Arrays.copyOfRange(PROMPT, 4, 8);
        long serial = pool.find(BlockPool.ROOT, -1, Arrays.copyOf(PROMPT, 4)).serial();
        assertNull(pool.find(serial, -1, second));
        table.advance(1);
        table.publish(PROMPT, 7);
        assertNull(pool.find(serial, -1, second));
        table.publish(PROMPT, 8);
        assertEquals(1, pool.find(serial, -1, second).block());
    }

    @Test
    void whatWasTakenStaysWhereNoBlockIsLeft() {
        BlockTable large = new BlockTable(pool, -1);
        assertTrue(large.grow(16));
        BlockTable table = new BlockTable(pool, -1);
        assertFalse(table.grow(12));
        assertEquals(2, table.blocks().length);
        large.drop();
        assertTrue(table.grow(12));
        assertEquals(3, table.blocks().length);
    }

    @Test
    void onlyComputedBlocksAreShared() {
        BlockTable a = computed(10);
        BlockTable b = new BlockTable(pool, -1);
        b.adopt(PROMPT, 5);
        assertEquals(1, a.shared(b));
        assertTrue(b.grow(10));
        assertEquals(1, b.shared(a), "b shares only its first block");
    }
}
