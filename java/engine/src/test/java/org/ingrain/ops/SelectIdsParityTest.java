package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.ingrain.ffi.Inspect;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** select_ids.cc. */
class SelectIdsParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1}, {7, 3}, {127, 127}, {4099, 64}};  // T, drawn

    @Override
    List<Check> checks() {
        return List.of(new Check("select_ids", "mixed", lab -> select(lab, -1)),
                new Check("select_ids", "all drawn", lab -> select(lab, 0)));
    }

    /**
     * Sources are random numbers of at least {@code lowest}. Every fifth drawn id is -1, the id of a row without a
     * distribution.
     */
    private static void select(ParityCheck lab, int lowest) {
        for (int[] size : SIZES) {
            int[] given = lab.randomInts(size[0], 32000);
            int[] drawn = lab.random().ints(size[1], 0, 32000).toArray();
            for (int i = 4; i < drawn.length; i += 5) {
                drawn[i] = -1;
            }
            int[] source = lab.random().ints(size[0], lowest, size[1]).toArray();
            int[] expected = new int[size[0]];
            for (int t = 0; t < expected.length; t++) {
                expected[t] = source[t] < 0 ? given[t] : Math.max(drawn[source[t]], 0);
            }
            Tensor ids = lab.output(DType.I32, size[0]);
            lab.ops().selectIds(ids, lab.ints(given), lab.ints(source), lab.ints(drawn));
            assertArrayEquals(expected, Inspect.ints(lab.context(), ids), "ids of T " + size[0]);
        }
    }
}
