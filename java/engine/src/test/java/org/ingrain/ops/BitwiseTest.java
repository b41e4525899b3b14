package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.ops.PagedCase.Layer;
import org.ingrain.ops.PagedCase.Schedule;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The bits of a result do not depend on how a prompt is split, on the other sequences, on shared blocks, or on the
 * number of a product's partial sums. {@link BitwiseRowsTest} tests that the bits of a row do not depend on the other
 * rows of a call. {@link BitwiseThreadsTest} tests that no bit depends on the threads.
 */
class BitwiseTest {
    private static final int T = 40;

    static List<TestTarget> targets() {
        return TestTarget.available();
    }

    /**
     * One test per layer and target. On an emulated GPU, half of the layers run with threads in ascending order and the
     * other half with threads in descending order.
     */
    static Stream<Arguments> layers() {
        return layers(true);
    }

    static Stream<Arguments> layersInTheOtherOrder() {
        return layers(false);
    }

    private static Stream<Arguments> layers(boolean usual) {
        List<Layer> layers = new ArrayList<>();
        for (DType dtype : ParityTest.FLOATS) {
            for (DType cache : ParityTest.FLOATS) {
                layers.add(Layer.of(8, 1, 64, dtype, cache, 16));
                layers.add(Layer.of(4, 4, 48, dtype, cache, 32));
                layers.add(Layer.of(8, 2, 128, dtype, cache, 16));
            }
        }
        return TestTarget.available().stream().flatMap(target -> IntStream.range(0, layers.size())
                .filter(i -> usual == (!target.emulated() || i % 2 == 0 == target.options().isa().equals("ascending")))
                .mapToObj(i -> Arguments.of(layers.get(i), target)));
    }

    /**
     * Each prompt is computed at once, token by token, and in chunks of several lengths. It is computed in a batch and
     * alone, and with shared blocks and prefix groups, with shared blocks only, and without shared blocks.
     */
    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("layers")
    void splitNeighboursAndSharingDoNotMatter(Layer layer, TestTarget target) {
        int whole = Schedule.WHOLE;
        try (ParityCheck lab = target.open()) {
            int shared = 64 / layer.blockSize();
            var paged = new PagedCase(lab, layer, 1, 4, shared, 101, 65, 90, 72, 33, 7);
            float[][] together = paged.run(lab.ops(), lab.ops(), new Schedule(true, true, whole));
            for (Schedule schedule : List.of(new Schedule(true, true, 1), new Schedule(true, true, 5, 1, 13, 2),
                    new Schedule(false, true, whole), new Schedule(false, true, 7, 16, 17, 1),
                    new Schedule(true, false, whole), new Schedule(false, false, 11))) {
                same(schedule.toString(), together, paged.run(lab.ops(), lab.ops(), schedule));
            }
            for (Schedule schedule : List.of(new Schedule(false, true, whole),
                    new Schedule(false, true, 3, 1, whole))) {
                same("unshared, " + schedule, together, paged.unshared().run(lab.ops(), lab.ops(), schedule));
            }
            lab.assertGuards();
        }
    }

    @Tag("long")
    @ParameterizedTest(name = "{0} on {1}", allowZeroInvocations = true)
    @MethodSource("layersInTheOtherOrder")
    void splitNeighboursAndSharingDoNotMatterInTheOtherOrder(Layer layer, TestTarget target) {
        splitNeighboursAndSharingDoNotMatter(layer, target);
    }

    static Stream<Arguments> longLayers() {
        return TestTarget.available().stream().flatMap(target -> Stream.of(
                Layer.of(4, 1, 64, DType.BF16, DType.BF16, 16), Layer.of(2, 2, 80, DType.BF16, DType.BF16, 16))
                .map(layer -> Arguments.of(layer, target)));
    }

    /**
     * Repeats this test with a long cache, which attention processes in parts. A shared prefix crosses the end of a
     * part, some batches contain both prefill and decode, and some calls use the plan of the call before.
     */
    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("longLayers")
    void partsOfALongCacheDoNotMatter(Layer layer, TestTarget target) {
        int whole = Schedule.WHOLE;
        try (ParityCheck lab = target.open()) {
            var paged = new PagedCase(lab, layer, 1, 3, 17, 300, 280, 277, 310);
            float[][] together = paged.run(lab.ops(), lab.ops(), new Schedule(true, true, whole));
            for (Schedule schedule : List.of(new Schedule(true, true, whole, 1, 2, 100),
                    new Schedule(false, true, whole, 1), new Schedule(false, false, whole))) {
                same(schedule.toString(), together, paged.run(lab.ops(), lab.ops(), schedule));
            }
            same("unshared", together, paged.unshared().run(
                    lab.ops(), lab.ops(), new Schedule(false, true, 90, whole, 170)));
            same("planned", together, paged.planned().run(
                    lab.ops(), lab.ops(), new Schedule(true, true, whole, 1, 100)));
            lab.assertGuards();
        }
    }

    static Stream<Arguments> cpuLayers() {
        return TestTarget.available().stream().filter(target -> !target.gpu()).flatMap(target -> ParityTest.FLOATS
                .stream().map(cache -> Arguments.of(Layer.of(8, 2, 64, DType.BF16, cache, 16), target)));
    }

    /** A row must not depend on keys and values that its mask excludes, even if these are infinite. */
    @ParameterizedTest(name = "{0} on {1}", allowZeroInvocations = true)
    @MethodSource("cpuLayers")
    void anInfiniteValueReachesOnlyTheRowsThatSeeIt(Layer layer, TestTarget target) {
        int row = 21;
        try (ParityCheck lab = target.open()) {
            var paged = new PagedCase(lab, layer, 1, 0, 0, 40, 37);
            var schedule = new Schedule(false, true, Schedule.WHOLE);
            float[][] finite = paged.run(lab.ops(), lab.ops(), schedule);
            float[][] infinite = paged.infiniteValues(0, row).run(lab.ops(), lab.ops(), schedule);
            int seen = row * Math.toIntExact(layer.heads().h() * layer.heads().e());
            Floats.assertBits("rows before", Arrays.copyOf(finite[0], seen), Arrays.copyOf(infinite[0], seen));
            Floats.assertBits("the other sequence", finite[1], infinite[1]);
            for (int i = seen; i < infinite[0].length; i++) {
                assertFalse(Float.isFinite(infinite[0][i]), "element " + i);
            }
        }
    }

    private static void same(String what, float[][] expected, float[][] actual) {
        for (int s = 0; s < expected.length; s++) {
            Floats.assertBits("sequence " + s + ", " + what, expected[s], actual[s]);
        }
    }

    static Stream<Arguments> weights() {
        List<Arguments> weights = new ArrayList<>();
        for (TestTarget target : TestTarget.available()) {
            for (DType x : ParityTest.FLOATS) {
                for (DType w : ParityTest.FLOATS) {
                    for (Weight.Layout layout : target.layouts()) {
                        weights.add(Arguments.of(x, w, layout, target));
                    }
                }
            }
        }
        return weights.stream();
    }

    /**
     * The sum of the partial sums, added in order, has the same bits as the product. A rank that computes a product
     * with its slice of the columns gets the same bits for its partial sums.
     */
    @ParameterizedTest(name = "{0} by {1} {2} on {3}")
    @MethodSource("weights")
    void partialSumsMakeTheProduct(DType xDtype, DType wDtype, Weight.Layout layout, TestTarget target) {
        int n = 70;
        int c = 8 * 46;
        int ranks = 2;
        try (ParityCheck lab = target.open()) {
            ParityCheck.Data x = lab.normal(xDtype, T, c);
            ParityCheck.Data w = lab.normal(wDtype, n, c);
            Weight whole = lab.weight(w, layout, c / 8);
            Tensor partials = lab.output(DType.F32, 8, T, n);
            lab.ops().matmulPartial(partials, x.tensor(), whole);
            Tensor y = lab.output(DType.F32, T, n);
            lab.ops().matmul(y, x.tensor(), whole);
            float[] sum = lab.floats(partials.rows(0, 1));
            for (int i = 1; i < 8; i++) {
                sum = Floats.sum(sum, lab.floats(partials.rows(i, i + 1)));
            }
            Floats.assertBits("the sum of partial products", sum, lab.floats(y));
            for (int rank = 0; rank < ranks; rank++) {
                int begin = rank * c / ranks;
                Tensor own = lab.output(DType.F32, 8 / ranks, T, n);
                lab.ops().matmulPartial(own, lab.columns(x, begin, begin + c / ranks).tensor(),
                        lab.weight(lab.columns(w, begin, begin + c / ranks), layout, c / 8));
                Floats.assertBits("partial products of rank " + rank,
                        lab.floats(partials.rows(rank * 8 / ranks, (rank + 1) * 8 / ranks)), lab.floats(own));
            }
        }
    }

    /**
     * The fused ops h += x·Wᵀ and silu(gate)·up have the same bits as the two separate ops. Models with several ranks
     * or with adapters use the separate ops.
     */
    @ParameterizedTest(name = "{0} by {1} {2} on {3}")
    @MethodSource("weights")
    void whatTwoOpsWouldGive(DType xDtype, DType wDtype, Weight.Layout layout, TestTarget target) {
        int n = 70;
        int c = 8 * 46;
        try (ParityCheck lab = target.open()) {
            ParityCheck.Data x = lab.normal(xDtype, T, c);
            Weight w = lab.weight(lab.normal(wDtype, n, c), layout, c / 8);
            ParityCheck.Data h = lab.normal(DType.F32, T, n);
            Tensor y = lab.output(DType.F32, T, n);
            lab.ops().matmul(y, x.tensor(), w);
            lab.ops().matmul(h.tensor(), x.tensor(), w, 1);
            Floats.assertBits("h", Floats.sum(h.values(), lab.floats(y)), lab.floats(h.tensor()));
            Tensor gateUp = lab.output(xDtype, T, n);
            Tensor apart = lab.output(xDtype, T, n / 2);
            Tensor together = lab.output(xDtype, T, n / 2);
            lab.ops().matmul(gateUp, x.tensor(), w);
            lab.ops().siluMul(apart, gateUp);
            lab.ops().fused().matmulSiluMul(together, gateUp, x.tensor(), w);
            Floats.assertBits("silu(gate)·up", lab.floats(apart), lab.floats(together));
            lab.assertGuards();
        }
    }

    static Stream<Arguments> normedTypes() {
        return TestTarget.available().stream().flatMap(target -> ParityTest.FLOATS.stream().flatMap(dtype ->
                RopeCacheParityTest.caches(target).stream().map(w -> Arguments.of(dtype, w, target))));
    }

    /** norm_matmul gives the bits of the norm and the product, whether or not the context is deterministic. */
    @ParameterizedTest(name = "{0} by {1} on {2}")
    @MethodSource("normedTypes")
    void normMatmulGivesTheBitsOfItsParts(DType dtype, DType wDtype, TestTarget target) {
        try (ParityCheck lab = target.open()) {
            for (int[] size : NormMatmulParityTest.sizes()) {
                var in = NormMatmulParityTest.Inputs.of(lab, dtype, DType.F32, size);
                Weight w = lab.context().weight(wDtype, Weight.Layout.PACKED, size[1], size[2], 0);
                lab.ops().pack(w, in.w().tensor(), 0);
                for (boolean deterministic : new boolean[] {false, true}) {
                    lab.context().setDeterministic(deterministic);
                    String what = Arrays.toString(size) + (deterministic ? ", deterministic" : "");
                    Tensor together = lab.output(dtype, size[0], size[1]);
                    lab.ops().fused().normMatmul(together, in.rows(lab), w);
                    var rows = in.rows(lab);
                    lab.ops().rmsNorm(rows.x(), null, rows.h(), rows.w(), rows.eps());
                    Tensor apart = lab.output(dtype, size[0], size[1]);
                    lab.ops().matmul(apart, rows.x(), w);
                    assertArrayEquals(lab.bytes(apart), lab.bytes(together), what);
                    Tensor gated = lab.output(dtype, size[0], size[1] / 2);
                    lab.ops().fused().normMatmulSiluMul(gated, together, in.rows(lab), w);
                    Tensor expected = lab.output(dtype, size[0], size[1] / 2);
                    lab.ops().fused().matmulSiluMul(expected, apart, rows.x(), w);
                    assertArrayEquals(lab.bytes(expected), lab.bytes(gated), "gated, " + what);
                }
            }
            lab.assertGuards();
        }
    }

    /** rope_cache gives the bits of rope and kv_cache_write, for every type of cache. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void ropeCacheGivesTheBitsOfItsParts(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            for (DType dtype : ParityTest.FLOATS) {
                for (DType cacheDtype : RopeCacheParityTest.caches(target)) {
                    for (int[] size : RopeCacheParityTest.sizes()) {
                        String what = dtype + ", cache " + cacheDtype + ", " + Arrays.toString(size);
                        var in = RopeCacheParityTest.Inputs.of(lab, dtype, size);
                        Tensor together = in.rows(lab);
                        Tensor cache = in.cache(lab, cacheDtype);
                        in.fused(lab.ops(), together, cache);
                        Tensor apart = in.rows(lab);
                        Tensor expected = in.cache(lab, cacheDtype);
                        in.parts(lab.ops(), apart, expected);
                        assertArrayEquals(lab.bytes(apart), lab.bytes(together), "qkv, " + what);
                        assertArrayEquals(lab.bytes(expected), lab.bytes(cache), "cache, " + what);
                    }
                }
            }
            lab.assertGuards();
        }
    }
}
