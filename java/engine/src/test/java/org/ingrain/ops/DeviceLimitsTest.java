package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.ingrain.ffi.Emulator;
import org.ingrain.ops.PagedCase.Layer;
import org.ingrain.ops.PagedCase.Schedule;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Emulates GPUs that differ in the number of multiprocessors and in the shared memory of a block. Ops must choose tiles
 * that fit into the shared memory and start no more blocks than the device runs at once. If no tile fits, they use a
 * fallback kernel, whose calls are counted.
 */
class DeviceLimitsTest {
    /** A GPU: its number of multiprocessors and the kilobytes of shared memory that a block can have. */
    private record Card(String name, int multiprocessors, int kilobytes) {
        void emulate() {
            Emulator.configure(0, kilobytes << 10);
            Emulator.setMultiprocessors(multiprocessors);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    private static final Card EMULATED = new Card("emulated", 4, 227);
    private static final Card H200 = new Card("H200", 132, 227);
    private static final Card A100 = new Card("A100", 108, 163);
    private static final Card L40S = new Card("L40S", 142, 99);
    private static final Card ONE = new Card("one multiprocessor", 1, 227);
    private static final Card RTX_4090 = new Card("RTX 4090", 128, 99);

    @AfterEach
    void restore() {
        if (!targets().isEmpty()) {
            EMULATED.emulate();
        }
    }

    static List<TestTarget> targets() {
        List<TestTarget> emulated = TestTarget.available().stream().filter(target -> target.name().startsWith("simt"))
                .toList();
        if (emulated.isEmpty()) {
            System.out.println("Skipped: no emulated GPU here");
        }
        return emulated;
    }

    @ParameterizedTest(name = "{1} on {0}", allowZeroInvocations = true)
    @MethodSource("smallCards")
    void pagedAttentionRunsOnSmallerCards(TestTarget target, Card card) {
        card.emulate();
        try (ParityCheck lab = target.open()) {
            AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), DType.BF16, DType.BF16);
            assertEquals(Map.of(), lab.context().fallbacks());
        }
    }

    static List<Arguments> smallCards() {
        return targets().stream().flatMap(target -> Stream.of(A100, L40S).map(card -> Arguments.of(target, card)))
                .toList();
    }

    /**
     * The emulated GPU has 64 KB of shared memory per block, which is less than on any real GPU, and less than the 66
     * KB that paged attention needs at head_dim 128.
     */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void pagedAttentionFallsBackWhereNoTileFits(TestTarget target) {
        new Card("64 KB", 4, 64).emulate();
        try (ParityCheck lab = target.open()) {
            AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), DType.BF16, DType.BF16);
            SortedMap<String, Long> fallbacks = lab.context().fallbacks();
            assertTrue(!fallbacks.isEmpty() && fallbacks.keySet().stream()
                    .allMatch(what -> what.startsWith("attention_paged_forward, head_dim ")), fallbacks::toString);
        }
    }

    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void bitsDoNotDependOnTheDevice(TestTarget target) {
        List<byte[]> expected = results(target, EMULATED);
        for (Card card : List.of(ONE, H200, A100, L40S, RTX_4090)) {
            List<byte[]> actual = results(target, card);
            for (int i = 0; i < expected.size(); i++) {
                assertArrayEquals(expected.get(i), actual.get(i), "result " + i + " on " + card);
            }
        }
    }

    /** The results of all ops whose grid or tiles depend on the device. */
    private static List<byte[]> results(TestTarget target, Card card) {
        card.emulate();
        List<byte[]> results = new ArrayList<>();
        try (ParityCheck lab = target.open()) {
            ParityCheck.Data source = lab.normal(DType.BF16, 400, 528);
            Weight fp8 = lab.context().weight(DType.F8E4M3, Weight.Layout.ROW_MAJOR, 400, 528, 0);
            lab.ops().pack(fp8, source.tensor(), 0);
            for (Weight w : List.of(lab.weight(source, Weight.Layout.ROW_MAJOR, 0), fp8)) {
                for (int rows : new int[] {1, 7, 16}) {
                    Tensor x = lab.normal(0.1, DType.BF16, rows, 528).tensor();
                    Tensor y = lab.output(DType.F32, rows, 400);
                    lab.ops().matmul(y, x, w);
                    results.add(lab.bytes(y));
                    Tensor gated = lab.output(DType.BF16, rows, 200);
                    lab.ops().fused().matmulSiluMul(gated, lab.output(DType.BF16, rows, 400), x, w);
                    results.add(lab.bytes(gated));
                }
                normed(lab, w, results);
            }
            norms(lab, results);
            attention(lab, 2, results);
            attention(lab, 4, results);
            lora(lab, results);
            var paged = new PagedCase(lab, Layer.of(8, 2, 128, DType.BF16, DType.BF16, 16), 1, 3, 17, 290, 276, 275, 7);
            for (float[] y : paged.run(lab.ops(), lab.ops(), new Schedule(true, true, Schedule.WHOLE, 1, 2))) {
                results.add(Floats.bits(DType.F32, y));
            }
            lab.assertGuards();
        }
        return results;
    }

    /** Products that normalise their rows, if the shared memory is large enough. */
    private static void normed(ParityCheck lab, Weight w, List<byte[]> results) {
        for (int rows : new int[] {1, 4}) {
            var normed = new FusedOps.Normed(lab.output(DType.BF16, rows, 528),
                    lab.normal(DType.BF16, rows, 528).tensor(), lab.normal(0.1, DType.BF16, 528).tensor(), 1e-5f);
            Tensor y = lab.output(DType.BF16, rows, 400);
            lab.ops().fused().normMatmul(y, normed, w);
            results.add(lab.bytes(y));
            Tensor gated = lab.output(DType.BF16, rows, 200);
            lab.ops().fused().normMatmulSiluMul(gated, y, normed, w);
            results.add(lab.bytes(gated));
        }
    }

    /** The numbers of launches of norm_matmul and norm_matmul_silu_mul for rows of c columns. */
    private static List<Integer> launches(TestTarget target, int rows, int c) {
        try (ParityCheck lab = target.open()) {
            var in = NormMatmulParityTest.Inputs.of(lab, DType.BF16, DType.BF16, new int[] {rows, 64, c});
            Weight w = lab.weight(in.w(), Weight.Layout.ROW_MAJOR, 0);
            FusedOps.Normed normed = in.rows(lab);
            Tensor y = lab.output(DType.BF16, rows, 64);
            Tensor gated = lab.output(DType.BF16, rows, 32);
            FusedOps ops = lab.ops().fused();
            return Stream.<Runnable>of(() -> ops.normMatmul(y, normed, w),
                    () -> ops.normMatmulSiluMul(gated, y, normed, w))
                    .map(op -> lab.context().trace(op).size()).toList();
        }
    }

    /**
     * The norm is fused only if this does not reduce the number of blocks that fit into the shared memory of a
     * multiprocessor. Without the norm, two blocks fit, but only one for gated products on an L40S.
     */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void theProductNormalisesRowsThatFit(TestTarget target) {
        H200.emulate();
        for (int[] fits : new int[][] {{4, 4096}, {2, 8192}, {4, 264}}) {
            assertEquals(List.of(1, 1), launches(target, fits[0], fits[1]), Arrays.toString(fits));
        }
        for (int[] misfit : new int[][] {{5, 264}, {3, 8192}, {1, 8200}, {1, 1031}}) {
            List<Integer> found = launches(target, misfit[0], misfit[1]);
            assertTrue(found.get(0) >= 2 && found.get(1) >= 2, Arrays.toString(misfit) + " " + found);
        }
        L40S.emulate();
        assertEquals(List.of(1, 1), launches(target, 1, 4096));
        assertEquals(List.of(2, 1), launches(target, 4, 4096));
    }

    private static void norms(ParityCheck lab, List<byte[]> results) {
        Tensor x = lab.normal(DType.BF16, 40, 96).tensor();
        Tensor w = lab.normal(DType.BF16, 96).tensor();
        Tensor y = lab.output(DType.BF16, 40, 96);
        lab.ops().rmsNorm(y, null, x, w, 1e-5f);
        results.add(lab.bytes(y));
    }

    /** There are enough rows that a block uses every stage of its ring more than once. */
    private static void lora(ParityCheck lab, List<byte[]> results) {
        int t = 12000;
        Tensor dy = lab.normal(DType.BF16, t, 64).tensor();
        Tensor u = lab.normal(DType.F32, t, 16).tensor();
        Tensor b = lab.normal(DType.F32, 1, 64, 16).tensor();
        Tensor db = lab.normal(DType.F32, 1, 64, 16).tensor();
        Tensor du = lab.output(DType.F32, t, 16);
        lab.ops().loraUpBackward(du, db, dy, u, b, 1);
        results.add(lab.bytes(du));
        results.add(lab.bytes(db));
    }

    /**
     * The longer sequence has four tiles of 128 keys. In the backward pass, their blocks add to the same rows of dq one
     * after another. With four query heads, two blocks add to the same rows of dk and dv.
     */
    private static void attention(ParityCheck lab, int h, List<byte[]> results) {
        var heads = new Ops.Heads(h, 1, 128, 0.09f);
        Tensor qkv = lab.normal(DType.BF16, 450, heads.columns()).tensor();
        Tensor dy = lab.normal(DType.BF16, 450, h * 128).tensor();
        Tensor offsets = lab.ints(0, 20, 450);
        Tensor y = lab.output(DType.BF16, 450, h * 128);
        Tensor lse = lab.output(DType.F32, 450, h);
        AttentionState state = new AttentionState(qkv, y, lse, offsets, DType.BF16);
        lab.ops().attention(state, heads);
        results.add(lab.bytes(y));
        Tensor dqkv = lab.output(DType.BF16, 450, heads.columns());
        Tensor sums = lab.output(DType.F32, 450, heads.columns());
        lab.ops().attentionBackward(dqkv, lab.output(DType.F32, 450, h), sums, dy, state, heads);
        results.add(lab.bytes(dqkv));
    }

    /**
     * Products with a weight of 8,192 rows. Each entry has the number of rows of x, the end of the kernel's name, and
     * the number of blocks. The name ends with: gated, tile height in units of 16 weight rows, tile width in units of 8
     * tokens, deep ring, normalised rows.
     */
    static List<Arguments> products() {
        return targets().stream().limit(1).flatMap(target -> Stream.of(
                Arguments.of(target, H200, 1, "false, 1, 1, true, false", 256),
                Arguments.of(target, H200, 16, "false, 4, 2, true, false", 128),
                Arguments.of(target, A100, 1, "false, 1, 1, false, false", 171),
                Arguments.of(target, A100, 16, "false, 2, 2, false, false", 128),
                Arguments.of(target, L40S, 1, "false, 1, 1, false, false", 256),
                Arguments.of(target, L40S, 8, "false, 1, 1, false, false", 256),
                Arguments.of(target, RTX_4090, 8, "false, 2, 1, false, false", 128),
                Arguments.of(target, RTX_4090, 16, "false, 2, 2, false, false", 128))).toList();
    }

    static List<Arguments> cards() {
        return targets().stream().flatMap(target -> Stream.of(H200, A100, L40S).map(
                card -> Arguments.of(target, card))).toList();
    }

    /** mid_rows divides the columns among the multiprocessors, so its bits depend on the device. */
    @ParameterizedTest(name = "{1} on {0}", allowZeroInvocations = true)
    @MethodSource("cards")
    void midRowsAreRightOnEachDevice(TestTarget target, Card card) {
        card.emulate();
        try (ParityCheck lab = target.open()) {
            MatmulFp8Test.forward(lab, 40, 600, 1296);
            MatmulFp8Test.forward(lab, 17, 33900, 144);
            for (Weight.Format format : List.of(new Weight.Format(DType.INT8, Weight.Layout.ROW_MAJOR, 128, false),
                    new Weight.Format(DType.INT4, Weight.Layout.ROW_MAJOR, 64, true))) {
                MatmulQuantizedParityTest.forward(lab, format, DType.BF16);
            }
            lab.assertGuards();
        }
    }

    /** A product starts no more blocks than the device runs at once. Every multiprocessor gets at least one block. */
    @ParameterizedTest(name = "{2} rows with {1} on {0}", allowZeroInvocations = true)
    @MethodSource("products")
    void productsFillTheDevice(TestTarget target, Card card, int rows, String shape, int blocks) {
        card.emulate();
        try (ParityCheck lab = target.open()) {
            Weight w = lab.weight(lab.normal(DType.BF16, 8192, 16), Weight.Layout.ROW_MAJOR, 0);
            Tensor x = lab.normal(DType.BF16, rows, 16).tensor();
            Tensor y = lab.output(DType.F32, rows, 8192);
            List<String> launches = lab.context().trace(() -> lab.ops().matmul(y, x, w));
            assertEquals(1, launches.size(), launches::toString);
            assertTrue(launches.getFirst().contains(shape + "> >")
                    && launches.getFirst().contains(" grid " + blocks + ",1,1 "), launches::toString);
        }
    }
}
