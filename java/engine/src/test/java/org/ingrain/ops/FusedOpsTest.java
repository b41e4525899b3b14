package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ffi.Overlay;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** If a user's kernel replaces a part of a fused op, the parts run instead of the op. */
class FusedOpsTest {
    /**
     * A fused op.
     *
     * @param op      name in the header
     * @param parts   names of its parts
     * @param prepare creates the inputs; returns a function that computes all outputs
     */
    private record Fused(String op, List<String> parts, Function<ParityCheck, Run> prepare) {
        @Override
        public String toString() {
            return op;
        }
    }

    /** Computes the outputs with the fused op or, if {@code apart}, with its parts. */
    private interface Run {
        List<Tensor> with(Ops ops, boolean apart);
    }

    private static final List<Fused> ALL = List.of(
            new Fused("matmul_silu_mul_forward", List.of("matmul_forward", "silu_mul_forward"),
                    FusedOpsTest::matmulSiluMul),
            new Fused("norm_matmul_forward", List.of("rms_norm_forward", "matmul_forward"), FusedOpsTest::normMatmul),
            new Fused("norm_matmul_silu_mul_forward", List.of("rms_norm_forward", "matmul_silu_mul_forward"),
                    FusedOpsTest::normMatmulSiluMul),
            new Fused("rope_cache_forward", List.of("rope_forward", "kv_cache_write"), FusedOpsTest::ropeCache));

    private static Run matmulSiluMul(ParityCheck lab) {
        Tensor x = lab.normal(DType.F32, 5, 48).tensor();
        Weight w = lab.weight(lab.normal(DType.F32, 24, 48), Weight.Layout.PACKED, 0);
        return (ops, apart) -> {
            Tensor gateUp = lab.output(DType.F32, 5, 24);
            Tensor y = lab.output(DType.F32, 5, 12);
            if (apart) {
                ops.matmul(gateUp, x, w);
                ops.siluMul(y, gateUp);
            } else {
                ops.fused().matmulSiluMul(y, gateUp, x, w);
            }
            return List.of(y);
        };
    }

    private static Run normMatmul(ParityCheck lab) {
        var in = NormMatmulParityTest.Inputs.of(lab, DType.F32, DType.F32, new int[] {5, 24, 48});
        Weight w = lab.weight(in.w(), Weight.Layout.PACKED, 0);
        return (ops, apart) -> {
            FusedOps.Normed rows = in.rows(lab);
            Tensor y = lab.output(DType.F32, 5, 24);
            if (apart) {
                ops.rmsNorm(rows.x(), null, rows.h(), rows.w(), rows.eps());
                ops.matmul(y, rows.x(), w);
            } else {
                ops.fused().normMatmul(y, rows, w);
            }
            return List.of(y);
        };
    }

    private static Run normMatmulSiluMul(ParityCheck lab) {
        var in = NormMatmulParityTest.Inputs.of(lab, DType.F32, DType.F32, new int[] {5, 24, 48});
        Weight w = lab.weight(in.w(), Weight.Layout.PACKED, 0);
        return (ops, apart) -> {
            FusedOps.Normed rows = in.rows(lab);
            Tensor gateUp = lab.output(DType.F32, 5, 24);
            Tensor y = lab.output(DType.F32, 5, 12);
            if (apart) {
                ops.rmsNorm(rows.x(), null, rows.h(), rows.w(), rows.eps());
                ops.fused().matmulSiluMul(y, gateUp, rows.x(), w);
            } else {
                ops.fused().normMatmulSiluMul(y, gateUp, rows, w);
            }
            return List.of(y);
        };
    }

    private static Run ropeCache(ParityCheck lab) {
        var in = RopeCacheParityTest.Inputs.of(lab, DType.F32, RopeCacheParityTest.sizes()[1]);
        return (ops, apart) -> {
            Tensor rows = in.rows(lab);
            Tensor cache = in.cache(lab, DType.BF16);
            if (apart) {
                in.parts(ops, rows, cache);
            } else {
                in.fused(ops, rows, cache);
            }
            return List.of(rows, cache);
        };
    }

    static Stream<Arguments> parts() {
        return ALL.stream().flatMap(fused -> fused.parts().stream().map(part -> Arguments.of(fused, part)));
    }

    static Stream<Fused> fused() {
        return ALL.stream();
    }

    private interface Trial {
        void with(ParityCheck lab, Run run, Ops swapped);
    }

    /** Runs a trial. The wrong library replaces some of the ops. */
    private static void trial(Fused fused, List<String> replaced, Trial trial) {
        TestTarget cpu = new TestTarget("cpu", NativeLibraries.find("cpu"), NativeLibraries.find("cpu"),
                TestTarget.spoiled().options());
        Path wrong = NativeLibraries.find("wrong");
        try (ParityCheck lab = cpu.open(); Backend kernels = Backend.open(cpu.library(), List.of(
                new Overlay(wrong, wrong, replaced)))) {
            trial.with(lab, fused.prepare().apply(lab), new Ops(lab.context(), kernels));
        }
    }

    @ParameterizedTest(name = "{1} in {0}")
    @MethodSource("parts")
    void aSwappedPartIsCalled(Fused fused, String part) {
        trial(fused, List.of(part), (lab, run, swapped) -> {
            byte[] own = bytes(lab, run.with(lab.ops(), false));
            assertEquals(Map.of(), lab.context().fallbacks());
            byte[] together = bytes(lab, run.with(swapped, false));
            assertFalse(Arrays.equals(own, together), part + " is not called");
            assertArrayEquals(bytes(lab, run.with(swapped, true)), together);
            assertEquals(Map.of(fused.op() + ": " + String.join(" and ", fused.parts())
                    + " run instead, because user kernels replace " + part, 1L), lab.context().fallbacks());
        });
    }

    /** silu_mul is a part of matmul_silu_mul, which is a part of norm_matmul_silu_mul. Both run in parts. */
    @Test
    void aSwappedPartOfAPartIsCalled() {
        Fused fused = ALL.get(2);
        trial(fused, List.of("silu_mul_forward"), (lab, run, swapped) -> {
            byte[] together = bytes(lab, run.with(swapped, false));
            assertFalse(Arrays.equals(bytes(lab, run.with(lab.ops(), false)), together));
            String because = " run instead, because user kernels replace silu_mul_forward";
            assertEquals(Map.of(fused.op() + ": rms_norm_forward and matmul_silu_mul_forward" + because, 1L,
                    "matmul_silu_mul_forward: matmul_forward and silu_mul_forward" + because, 1L),
                    lab.context().fallbacks());
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("fused")
    void aSwappedOpIsCalledEvenIfItsPartsAreSwapped(Fused fused) {
        byte[][] found = new byte[2][];
        for (int i = 0; i < 2; i++) {
            int which = i;
            List<String> replaced = i == 0 ? List.of(fused.op())
                    : Stream.concat(Stream.of(fused.op()), fused.parts().stream()).toList();
            trial(fused, replaced, (lab, run, swapped) -> {
                found[which] = bytes(lab, run.with(swapped, false));
                assertFalse(Arrays.equals(bytes(lab, run.with(lab.ops(), false)), found[which]));
                assertEquals(Map.of(), lab.context().fallbacks());
            });
        }
        assertArrayEquals(found[0], found[1]);
    }

    private static byte[] bytes(ParityCheck lab, List<Tensor> outputs) {
        byte[] all = new byte[0];
        for (Tensor output : outputs) {
            byte[] one = lab.bytes(output);
            int at = all.length;
            all = Arrays.copyOf(all, at + one.length);
            System.arraycopy(one, 0, all, at, one.length);
        }
        return all;
    }

    /** One row runs in the fused kernel of a GPU, and eight rows run as two ops. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void aGatedProductNeedsAnEvenNumberOfWeightRows(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            Weight w = lab.weight(lab.normal(DType.BF16, 33, 64), Weight.Layout.ROW_MAJOR, 0);
            Tensor norm = lab.normal(DType.BF16, 64).tensor();
            for (int rows : new int[] {1, 8}) {
                var normed = new FusedOps.Normed(lab.output(DType.BF16, rows, 64),
                        lab.normal(DType.BF16, rows, 64).tensor(), norm, 1e-5f);
                Tensor gateUp = lab.output(DType.BF16, rows, 33);
                Tensor y = lab.output(DType.BF16, rows, 16);
                String message = assertThrows(RuntimeException.class,
                        () -> lab.ops().fused().normMatmulSiluMul(y, gateUp, normed, w)).getMessage();
                assertTrue(message.contains("a weight of 33 rows: expected an even number"), message);
            }
        }
    }

    static List<TestTarget> targets() {
        return TestTarget.available();
    }
}
