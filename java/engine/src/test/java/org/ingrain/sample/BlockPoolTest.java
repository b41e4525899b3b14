package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;

class BlockPoolTest {
    private static final int[] FIRST = {1, 2};
    private static final int[] SECOND = {3, 4};

    @Test
    void aKnownBlockIsFoundUntilItsMemoryIsWanted() {
        BlockPool pool = new BlockPool(2, 2, true);
        int a = pool.take();
        long serial = pool.publish(a, BlockPool.ROOT, -1, FIRST);
        int b = pool.take();
        pool.publish(b, serial, -1, SECOND);
        assertEquals(-1, pool.take());
        pool.release(b);
        pool.release(a);
        assertEquals(2, pool.available());
        assertEquals(a, pool.find(BlockPool.ROOT, -1, FIRST).block());
        assertEquals(b, pool.find(serial, -1, SECOND).block());
        assertEquals(b, pool.take());
        assertNull(pool.find(serial, -1, SECOND));
        pool.hold(a);
        assertEquals(-1, pool.take());
    }

    @Test
    void contentIsKeyedByWhatIsBeforeItAndByAdapter() {
        BlockPool pool = new BlockPool(4, 2, true);
        long serial = pool.publish(pool.take(), BlockPool.ROOT, -1, FIRST);
        assertNull(pool.find(BlockPool.ROOT, 0, FIRST));
        assertNull(pool.find(serial, -1, FIRST));
        int twin = pool.take();
        assertEquals(serial, pool.publish(twin, BlockPool.ROOT, -1, FIRST));
        assertNotEquals(twin, pool.find(BlockPool.ROOT, -1, FIRST).block());
        pool.release(twin);
        assertEquals(3, pool.available());
    }

    @Test
    void withoutAPrefixCacheAFreedBlockIsForgotten() {
        BlockPool pool = new BlockPool(1, 2, false);
        int a = pool.take();
        pool.publish(a, BlockPool.ROOT, -1, FIRST);
        pool.hold(a);
        pool.release(a);
        assertEquals(a, pool.find(BlockPool.ROOT, -1, FIRST).block());
        pool.release(a);
        assertNull(pool.find(BlockPool.ROOT, -1, FIRST));
    }

    @Test
    void aSlotsContentIsForgottenWithItsAdapter() {
        BlockPool pool = new BlockPool(2, 2, true);
        int a = pool.take();
        pool.publish(a, BlockPool.ROOT, 0, FIRST);
        int b = pool.take();
        pool.publish(b, BlockPool.ROOT, -1, FIRST);
        pool.release(a);
        pool.forgetAdapter(0);
        assertNull(pool.find(BlockPool.ROOT, 0, FIRST));
        assertEquals(b, pool.find(BlockPool.ROOT, -1, FIRST).block());
        assertEquals(a, pool.take());
    }
}
