package org.ingrain.ops;

import java.util.List;
import org.ingrain.ops.PagedCase.Layer;
import org.ingrain.ops.PagedCase.Schedule;
import org.ingrain.tensor.DType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** An fp8 cache, which only GPUs support: keys and values are rounded to E4M3 with scale 1. */
class Fp8CacheTest {
    static List<TestTarget> gpus() {
        List<TestTarget> gpus = TestTarget.available().stream().filter(TestTarget::gpu).toList();
        if (gpus.isEmpty()) {
            System.out.println("Skipped: no backend here has an fp8 cache");
        }
        return gpus;
    }

    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("gpus")
    void attendsTheRoundedKeysAndValues(TestTarget target) {
        for (DType dtype : ParityTest.FLOATS) {
            try (ParityCheck lab = target.open("Fp8CacheTest attendsTheRoundedKeysAndValues " + dtype)) {
                AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), dtype, DType.F8E4M3);
                lab.assertGuards();
            }
        }
    }

    /** A single key has the softmax weight 1, so y equals the value of this key in the cache, which is at most 448. */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("gpus")
    void largeValuesSaturate(TestTarget target) {
        for (DType dtype : ParityTest.FLOATS) {
            try (ParityCheck lab = target.open("Fp8CacheTest largeValuesSaturate " + dtype)) {
                var paged = new PagedCase(lab, Layer.of(2, 1, 64, dtype, DType.F8E4M3, 16), 500, 0, 0, 1);
                lab.expect("y of one key", paged.expected(0),
                        paged.run(lab.ops(), lab.ops(), new Schedule(false, true, 1))[0],
                        ParityTolerance.rounding(dtype));
            }
        }
    }
}
