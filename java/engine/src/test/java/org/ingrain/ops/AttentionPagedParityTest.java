package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ops.PagedCase.Layer;
import org.ingrain.ops.PagedCase.Schedule;
import org.ingrain.tensor.DType;

/** attention_paged.cc, on a cache that the trusted library's {@code kv_cache_write} has filled. */
class AttentionPagedParityTest extends ParityTest {
    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (DType dtype : FLOATS) {
            for (DType cache : FLOATS) {
                checks.add(new Check("attention_paged_forward", dtype + ", cache " + cache,
                        lab -> holds(lab, lab.trusted(), lab.ops(), dtype, cache)));
            }
        }
        return checks;
    }

    /**
     * Checks prefill, decode, and prefill with decode in one step. The cases have partly filled blocks, 1, 4 and 8
     * query heads per key-value head, short and long shared prefixes, and small and large scores.
     */
    static void holds(ParityCheck lab, Ops write, Ops attend, DType dtype, DType cache) {
        int whole = Schedule.WHOLE;
        holds(lab, new PagedCase(lab, Layer.of(1, 1, 64, dtype, cache, 16), 1, 0, 0, 1),
                new Schedule(false, true, whole), write, attend, dtype);
        blocks(lab, write, attend, dtype, cache);
        holds(lab, new PagedCase(lab, Layer.of(2, 1, 64, dtype, cache, 16), 6, 2, 1, 21, 20),
                new Schedule(true, true, 7), write, attend, dtype);
        holds(lab, new PagedCase(lab, Layer.of(2, 1, 64, dtype, cache, 16), 0, 0, 0, 34), new Schedule(false, true, 3),
                write, attend, dtype);
        holds(lab, new PagedCase(lab, Layer.of(4, 1, 64, dtype, cache, 16), 1, 3, 17, 290, 276, 275, 260),
                new Schedule(true, true, whole, 1, 2, 100), write, attend, dtype);
    }

    /** Checks both block sizes, head sizes of 48, 64 and 128, and shared blocks. */
    static void blocks(ParityCheck lab, Ops write, Ops attend, DType dtype, DType cache) {
        holds(lab, new PagedCase(lab, Layer.of(4, 4, 48, dtype, cache, 16), 1, 0, 0, 7, 16, 17, 40),
                new Schedule(false, true, 5, 1, Schedule.WHOLE, 16), write, attend, dtype);
        holds(lab, new PagedCase(lab, Layer.of(8, 1, 64, dtype, cache, 32), 1, 4, 2, 97, 65, 71, 66, 33),
                new Schedule(true, true, Schedule.WHOLE, 1, 2), write, attend, dtype);
        holds(lab, new PagedCase(lab, Layer.of(8, 2, 128, dtype, cache, 16), 1, 3, 3, 127, 49, 52, 9),
                new Schedule(true, true, 33, 1), write, attend, dtype);
    }

    private static void holds(ParityCheck lab, PagedCase paged, Schedule schedule, Ops write, Ops attend, DType dtype) {
        float[][] y = paged.run(write, attend, schedule);
        for (int s = 0; s < y.length; s++) {
            lab.expect("y of sequence " + s, paged.expected(s), y[s],
                    lab.weighted(paged.tolerance(dtype), dtype, paged.cacheDtype()));
        }
    }
}
