package org.ingrain.ops;

import java.util.List;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Products with INT8 and INT4 weights on the CPU. The bits of a result do not depend on the instruction set, the number
 * of threads, the layout of the weight, or how many rows are computed together. The sum of the partial sums has the
 * same bits as the product.
 */
class BitwiseQuantizedTest {
    private static final int T = 40;
    private static final int N = 70;
    private static final int C = 640;
    private static final int CHUNK = 128;

    static Stream<Arguments> products() {
        return Quantized.FORMATS.stream().flatMap(w -> ParityTest.FLOATS.stream().map(x -> Arguments.of(w, x)));
    }

    @ParameterizedTest(name = "{1} by {0}")
    @MethodSource("products")
    void allHaveTheSameBits(Weight.Format format, DType xDtype) {
        float[] expected = null;
        for (TestTarget target : TestTarget.available().stream().filter(target -> !target.gpu()).toList()) {
            for (Weight.Layout layout : Weight.Layout.values()) {
                try (ParityCheck lab = target.open()) {
                    ParityCheck.Data x = lab.normal(xDtype, T, C);
                    Weight w = Quantized.random(lab, format, N, C).weight(lab, lab.ops(), layout, CHUNK);
                    Tensor y = lab.output(DType.F32, T, N);
                    lab.ops().matmul(y, x.tensor(), w);
                    expected = expected == null ? lab.floats(y) : expected;
                    Floats.assertBits("the product on " + target + " " + layout, expected, lab.floats(y));
                    for (int step : List.of(1, 3, 17)) {
                        Floats.assertBits(step + " rows at a time", expected,
                                lab.floats(inSteps(lab, x.tensor(), w, step)));
                    }
                    Floats.assertBits("the sum of partial products", expected, sumOfPartials(lab, x.tensor(), w));
                    lab.assertGuards();
                }
            }
        }
    }

    private static Tensor inSteps(ParityCheck lab, Tensor x, Weight w, int step) {
        Tensor y = lab.output(DType.F32, T, N);
        for (int t = 0; t < T; t += step) {
            int end = Math.min(T, t + step);
            lab.ops().matmul(y.rows(t, end), x.rows(t, end), w);
        }
        return y;
    }

    private static float[] sumOfPartials(ParityCheck lab, Tensor x, Weight w) {
        Tensor partials = lab.output(DType.F32, C / CHUNK, T, N);
        lab.ops().matmulPartial(partials, x, w);
        float[] sum = lab.floats(partials.rows(0, 1));
        for (int i = 1; i < C / CHUNK; i++) {
            sum = Floats.sum(sum, lab.floats(partials.rows(i, i + 1)));
        }
        return sum;
    }
}
