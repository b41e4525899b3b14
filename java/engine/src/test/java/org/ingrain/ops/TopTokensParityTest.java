package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import java.util.Arrays;
import java.util.List;
import org.ingrain.ffi.Inspect;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** top_tokens.cc. */
class TopTokensParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1, 1}, {7, 7, 7}, {5, 127, 5}, {3, 4099, 20}, {2, 32003, 1}};  // M, V, n

    @Override
    List<Check> checks() {
        return List.of(new Check("top_tokens", "", TopTokensParityTest::top));
    }

    private static void top(ParityCheck lab) {
        for (int[] size : SIZES) {
            for (double std : new double[] {1, 1e4}) {
                int m = size[0];
                int v = size[1];
                int n = size[2];
                ParityCheck.Data logits = lab.normal(std, DType.F32, m, v);
                Tensor ids = lab.output(DType.I32, m, n);
                Tensor logProbabilities = lab.output(DType.F32, m, n);
                lab.ops().topTokens(ids, logProbabilities, logits.tensor());
                float[] logSoftmax = lab.reference(torch ->
                        Torch.floats(torch.array(logits.values(), m, v).logSoftmax(-1)));
                float[] expectedIds = lab.reference(torch -> {
                    NDArray order = torch.array(logits.values(), m, v).topK(n, -1, true, true).get(1);
                    return Torch.floats(order.toType(DataType.FLOAT32, true));
                });
                int[] expected = new int[m * n];
                float[] values = new float[m * n];
                for (int i = 0; i < expected.length; i++) {
                    expected[i] = (int) expectedIds[i];
                    values[i] = logSoftmax[i / n * v + expected[i]];
                }
                assertArrayEquals(expected, Inspect.ints(lab.context(), ids), "ids of V " + v);
                lab.expect("log-probabilities of V " + v, values, logProbabilities,
                        ParityTolerance.of(DType.F32, v).magnitude(Math.max(1, 4 * std)));
            }
        }
    }

    static List<TestTarget> targets() {
        return TestTarget.available();
    }

    /**
     * Tokens with equal logits are sorted by ascending id. This is also true for ids at the two ends of a row, and for
     * logits of -inf.
     */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void ties(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            int v = 1031;
            float[] values = new float[2 * v];
            values[5] = 9;
            values[1030] = 9;
            values[700] = 8;
            Arrays.fill(values, v, 2 * v, Float.NEGATIVE_INFINITY);
            values[v + 600] = 1;
            values[v + 3] = -0f;
            values[v + 2] = 0f;
            Tensor ids = lab.output(DType.I32, 2, 5);
            Tensor logProbabilities = lab.output(DType.F32, 2, 5);
            lab.ops().topTokens(ids, logProbabilities, lab.data(DType.F32, values, 2, v).tensor());
            assertArrayEquals(new int[] {5, 1030, 700, 0, 1, 600, 2, 3, 0, 1}, Inspect.ints(lab.context(), ids));
            float[] found = lab.floats(logProbabilities);
            assertArrayEquals(new float[] {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY},
                    Floats.slice(found, 8, 10));
            lab.assertGuards();
        }
    }

    /** Tests rows that have a NaN, a +inf, or no logit above -inf. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void rowsWithoutADistribution(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            int v = 300;
            float[] values = new float[4 * v];
            values[299] = Float.NaN;
            values[v + 100] = Float.POSITIVE_INFINITY;
            Arrays.fill(values, 2 * v, 3 * v, Float.NEGATIVE_INFINITY);
            values[3 * v + 7] = 1;
            Tensor ids = lab.output(DType.I32, 4, 1);
            Tensor logProbabilities = lab.output(DType.F32, 4, 1);
            lab.ops().topTokens(ids, logProbabilities, lab.data(DType.F32, values, 4, v).tensor());
            assertArrayEquals(new int[] {-1, -1, -1, 7}, Inspect.ints(lab.context(), ids));
            float[] found = lab.floats(logProbabilities);
            for (int row = 0; row < 4; row++) {
                assertEquals(row < 3, Float.isNaN(found[row]), "row " + row);
            }
        }
    }
}
