package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The bits of a product on the CPU do not depend on the size of the workspace. The test uses no workspace, a workspace
 * for 96 of the 200 rows, and a workspace for all rows.
 */
class BitwiseWorkspaceTest {
    private static final int T = 200;
    private static final int N = 336;
    private static final int C = 528;

    static Stream<Arguments> products() {
        return TestTarget.available().stream().filter(target -> !target.gpu()).flatMap(target ->
                ParityTest.FLOATS.stream().flatMap(w -> target.layouts().stream().map(
                        layout -> Arguments.of(w, layout, target))));
    }

    @ParameterizedTest(name = "{0} {1} on {2}")
    @MethodSource("products")
    void theWorkspaceDoesNotMatter(DType w, Weight.Layout layout, TestTarget target) {
        try (ParityCheck lab = target.open()) {
            Tensor x = lab.normal(DType.F32, T, C).tensor();
            Tensor dy = lab.normal(DType.BF16, T, N).tensor();
            ParityCheck.Data values = lab.normal(w, N, C);
            List<byte[]> without = products(lab, x, dy, values, layout);
            for (long rows : new long[] {96, T}) {
                lab.context().reserveWorkspace(rows * C * Float.BYTES);
                List<byte[]> with = products(lab, x, dy, values, layout);
                for (int i = 0; i < with.size(); i++) {
                    assertArrayEquals(without.get(i), with.get(i), "product " + i + " with room for " + rows + " rows");
                }
            }
            lab.assertGuards();
        }
    }

    private static List<byte[]> products(ParityCheck lab, Tensor x, Tensor dy, ParityCheck.Data values,
            Weight.Layout layout) {
        Weight weight = lab.weight(values, layout, 0);
        Weight chunked = lab.weight(values, layout, C / 8);
        Tensor y = lab.output(DType.F32, T, N);
        Tensor few = lab.output(DType.F32, 17, N);
        Tensor partials = lab.output(DType.F32, 8, T, N);
        Tensor dx = lab.output(DType.F32, T, C);
        Tensor dw = lab.context().allocateZero(DType.F32, N, C);
        lab.ops().matmul(y, x, weight);
        lab.ops().matmul(few, x.rows(0, 17), weight);
        lab.ops().matmulPartial(partials, x, chunked);
        lab.ops().matmulBackward(dx, dy, weight, 0);
        lab.ops().matmulWeightBackward(dw, y, x);
        return Stream.of(y, few, partials, dx, dw).map(lab::bytes).toList();
    }
}
