package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.ffi.Emulator;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests products that cuBLASLt refuses. Which products are refused depends on the GPU and on the version of cuBLASLt.
 * So the tests use the emulated cuBLASLt (cuda/simt/cublas_lt) and set which products it refuses and in which function.
 * The result must still be right, and products computed by a fallback kernel must be counted.
 */
class RefusedProductsTest {
    private static final int ROWS = 70;
    private static final int N = 48;
    private static final int C = 80;

    private enum What { NOTHING, SCALED, EVERYTHING }

    private enum Where { AT_HEURISTIC, AT_CHECK, AT_MATMUL, BEFORE_VECTORS }

    private static List<TestTarget> emulated() {
        List<TestTarget> found = TestTarget.available().stream().filter(target -> target.name().startsWith("simt"))
                .toList();
        if (found.isEmpty()) {
            System.out.println("Skipped: no emulated GPU here");
        }
        return found;
    }

    static Stream<Arguments> refusals() {
        return emulated().stream().flatMap(target -> Stream.of(What.values()).flatMap(what -> Stream.of(Where.values())
                .filter(where -> what == What.SCALED || where != Where.BEFORE_VECTORS)
                .map(where -> Arguments.of(what, where, target))));
    }

    static List<TestTarget> targets() {
        return emulated();
    }

    @AfterEach
    void refuseNothing() {
        if (!emulated().isEmpty()) {
            script(What.NOTHING, Where.AT_HEURISTIC, 0);
        }
    }

    @ParameterizedTest(name = "{0} {1} on {2}", allowZeroInvocations = true)
    @MethodSource("refusals")
    void theResultIsRightAllTheSame(What what, Where where, TestTarget target) {
        script(what, where, 0);
        try (ParityCheck lab = target.open()) {
            for (float beta : new float[] {0, 1}) {
                fp8(lab, beta, what != What.EVERYTHING);
                bf16(lab, beta);
            }
            Map<String, Long> fallbacks = lab.context().fallbacks();
            assertEquals(what == What.EVERYTHING, !fallbacks.isEmpty(), fallbacks::toString);
            assertTrue(fallbacks.entrySet().stream().allMatch(
                    one -> one.getKey().startsWith("matmul of (") && one.getValue() > 0), fallbacks::toString);
            assertEquals(what == What.EVERYTHING, fallbacks.keySet().stream()
                    .anyMatch(one -> one.startsWith("matmul of (70, 80) by (80, 48)")), fallbacks::toString);
        }
    }

    /** On an H100, cuBLASLt was observed to refuse row scales in products of up to 256 rows. */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void fewRowsAreScaledByUs(TestTarget target) {
        for (Where where : List.of(Where.AT_HEURISTIC, Where.AT_CHECK, Where.AT_MATMUL)) {
            script(What.SCALED, where, 256);
            try (ParityCheck lab = target.open()) {
                fp8(lab, 1, true);
                assertEquals(Map.of(), lab.context().fallbacks());
            }
        }
    }

    /** In a deterministic context, a weight's products use the same algorithm for every number of rows, or fail. */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void deterministicProductsAreAllOfOneKind(TestTarget target) {
        for (Where where : Where.values()) {
            script(What.SCALED, where, 0);
            try (ParityCheck lab = target.open()) {
                lab.context().setDeterministic(true);
                if (where == Where.AT_MATMUL) {
                    BackendException refused = assertThrows(BackendException.class, () -> fp8(lab, 0, true));
                    assertTrue(refused.getMessage().contains("cuBLAS status 15"), refused::getMessage);
                } else {
                    fp8(lab, 0, true);
                }
            }
        }
    }

    /** If {@code quantized} is false, the expected result uses unquantized activations, like the fallback kernel. */
    private static void fp8(ParityCheck lab, float beta, boolean quantized) {
        ParityCheck.Data x = lab.normal(DType.BF16, ROWS, C);
        ParityCheck.Data w = lab.normal(DType.BF16, N, C);
        Weight weight = lab.context().weight(DType.F8E4M3, Weight.Layout.ROW_MAJOR, N, C, 0);
        lab.ops().pack(weight, w.tensor(), 0);
        ParityCheck.Data y = lab.normal(DType.BF16, ROWS, N);
        float[] activations = quantized ? Fp8.Scaled.of(x.values(), ROWS).values() : x.values();
        float[] expected = lab.reference(torch -> Torch.floats(torch.array(activations, ROWS, C)
                .matMul(torch.array(Fp8.Scaled.of(w.values(), N).values(), N, C).transpose())
                .add(torch.array(y.values(), ROWS, N).mul(beta))));
        lab.ops().matmul(y.tensor(), x.tensor(), weight, beta);
        lab.expect("y of beta " + beta, expected, y.tensor(), ParityTolerance.of(DType.BF16, C).through(DType.BF16));
    }

    private static void bf16(ParityCheck lab, float beta) {
        ParityCheck.Data x = lab.normal(DType.BF16, ROWS, C);
        ParityCheck.Data w = lab.normal(DType.BF16, N, C);
        Tensor y = lab.normal(DType.F32, ROWS, N).tensor();
        float[] before = lab.floats(y);
        float[] expected = lab.reference(torch -> Torch.floats(
                torch.array(x.values(), ROWS, C).matMul(torch.array(w.values(), N, C).transpose())
                .add(torch.array(before, ROWS, N).mul(beta))));
        lab.ops().matmul(y, x.tensor(), lab.weight(w, Weight.Layout.ROW_MAJOR, 0), beta);
        lab.expect("y of beta " + beta, expected, y, ParityTolerance.of(DType.F32, C));
    }

    private static void script(What what, Where where, long rows) {
        Emulator.refuse(what.ordinal(), where.ordinal(), rows);
    }
}
