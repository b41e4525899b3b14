package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * kv_cache.cc. The layout of a block is backend-specific, so the tests read the written cache with the trusted
 * attention op.
 */
class KvCacheParityTest extends ParityTest {
    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (DType cache : FLOATS) {
            checks.add(new Check("kv_cache_copy", cache.name(), lab -> copy(lab, cache)));
            for (DType dtype : FLOATS) {
                checks.add(new Check("kv_cache_write", dtype + ", cache " + cache,
                        lab -> AttentionPagedParityTest.blocks(lab, lab.ops(), lab.trusted(), dtype, cache)));
            }
        }
        return checks;
    }

    /** Copies pairs of blocks. No copy reads a block that another copy writes. */
    private static void copy(ParityCheck lab, DType dtype) {
        int layers = 3;
        int blocks = 9;
        int[] pairs = {0, 8, 5, 1, 5, 3};
        int width = Math.toIntExact(lab.context().kvCacheBlockBytes(dtype, 16, 3, 48) / dtype.bytes());
        ParityCheck.Data cache = lab.normal(dtype, layers, blocks, width);
        float[] expected = cache.values().clone();
        for (int layer = 0; layer < layers; layer++) {
            for (int p = 0; p < pairs.length; p += 2) {
                System.arraycopy(expected, (layer * blocks + pairs[p]) * width, expected,
                        (layer * blocks + pairs[p + 1]) * width, width);
            }
        }
        lab.ops().kvCacheCopy(cache.tensor(), lab.ints());
        assertArrayEquals(cache.values(), lab.floats(cache.tensor()), "no pairs");
        Tensor device = lab.ints(pairs);
        lab.ops().kvCacheCopy(cache.tensor(), device);
        Floats.assertBits("cache after copies " + Arrays.toString(pairs), expected, lab.floats(cache.tensor()));
    }
}
