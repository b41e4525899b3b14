package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.ops.PagedCase.Layer;
import org.ingrain.ops.PagedCase.Schedule;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * One, two and three CPU threads give the same bits, at sizes large enough to be split among the threads. On an
 * emulated GPU, threads in ascending and in descending order give the same bits.
 */
class BitwiseThreadsTest {
    /**
     * A sequence of ops.
     *
     * @param run computes the results of all ops and returns them in a fixed order
     */
    private record Computation(String name, Function<ParityCheck, List<Tensor>> run) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Arguments> computations() {
        List<Computation> list = new ArrayList<>();
        for (DType dtype : ParityTest.FLOATS) {
            list.add(new Computation("matmul " + dtype, lab -> matmul(lab, dtype)));
            list.add(new Computation("embedding " + dtype, lab -> embedding(lab, dtype)));
            list.add(new Computation("rms_norm " + dtype, lab -> rmsNorm(lab, dtype)));
            list.add(new Computation("add_bias and qk_norm " + dtype, lab -> biasAndNorm(lab, dtype)));
            for (DType operands : ParityTest.FLOATS) {
                list.add(new Computation("attention " + dtype + " with operands " + operands,
                        lab -> attention(lab, dtype, operands)));
            }
            list.add(new Computation("attention_paged " + dtype, lab -> attentionPaged(lab, dtype)));
            list.add(new Computation("norm_matmul " + dtype, lab -> normMatmul(lab, dtype)));
            list.add(new Computation("rope_cache " + dtype, lab -> ropeCache(lab, dtype)));
            list.add(new Computation("lora " + dtype, lab -> lora(lab, dtype)));
        }
        list.add(new Computation("loss", BitwiseThreadsTest::loss));
        list.add(new Computation("optimizer", BitwiseThreadsTest::optimizer));
        return TestTarget.available().stream()
                .filter(target -> target.options().threads() == 1 && !target.options().isa().equals("descending"))
                .flatMap(target -> list.stream().map(computation -> Arguments.of(computation, target)));
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("computations")
    void threadsDoNotMatter(Computation computation, TestTarget target) {
        List<byte[]> one = results(computation, target);
        for (TestTarget other : others(target)) {
            List<byte[]> several = results(computation, other);
            for (int i = 0; i < one.size(); i++) {
                assertArrayEquals(one.get(i), several.get(i), "result " + i + " on " + other);
            }
        }
    }

    private static List<TestTarget> others(TestTarget target) {
        return target.emulated()
                ? TestTarget.available().stream().filter(other -> other.options().isa().equals("descending")).toList()
                : List.of(target.withThreads(2), target.withThreads(3));
    }

    private static List<byte[]> results(Computation computation, TestTarget target) {
        try (ParityCheck lab = target.open()) {
            return computation.run().apply(lab).stream().map(lab::bytes).toList();
        }
    }

    private static List<Tensor> matmul(ParityCheck lab, DType dtype) {
        int t = 150;
        int n = 530;
        int c = 8 * 66;
        ParityCheck.Data x = lab.normal(dtype, t, c);
        Tensor dy = lab.normal(dtype, t, n).tensor();
        ParityCheck.Data values = lab.normal(dtype, n, c);
        List<Tensor> results = new ArrayList<>();
        for (Weight.Layout layout : lab.target().layouts()) {
            Weight w = lab.weight(values, layout, c / 8);
            Tensor y = lab.output(dtype, t, n);
            lab.ops().matmul(y, x.tensor(), w);
            Tensor row = lab.output(dtype, 1, n);
            lab.ops().matmul(row, x.tensor().rows(0, 1), w);
            Tensor partials = lab.output(DType.F32, 8, t, n);
            lab.ops().matmulPartial(partials, x.tensor(), w);
            Tensor dx = lab.output(dtype, t, c);
            lab.ops().matmulBackward(dx, dy, w, 0);
            Tensor gated = lab.output(dtype, t, n / 2);
            lab.ops().fused().matmulSiluMul(gated, lab.output(dtype, t, n), x.tensor(), w);
            Tensor added = lab.normal(dtype, t, n).tensor();
            lab.ops().matmul(added, x.tensor(), w, 1);
            results.addAll(List.of(y, row, partials, dx, gated, added));
        }
        Tensor dw = lab.normal(DType.F32, n, c).tensor();
        lab.ops().matmulWeightBackward(dw, dy, x.tensor());
        results.add(dw);
        return results;
    }

    /** One product with many rows, and one that a GPU computes together with the norm. */
    private static List<Tensor> normMatmul(ParityCheck lab, DType dtype) {
        List<Tensor> results = new ArrayList<>();
        for (int rows : new int[] {150, 3}) {
            var in = NormMatmulParityTest.Inputs.of(lab, dtype, dtype, new int[] {rows, 530, 8 * 66});
            Weight w = lab.weight(in.w(), Weight.Layout.PACKED, 0);
            Tensor y = lab.output(dtype, rows, 530);
            lab.ops().fused().normMatmul(y, in.rows(lab), w);
            Tensor gated = lab.output(dtype, rows, 265);
            lab.ops().fused().normMatmulSiluMul(gated, lab.output(dtype, rows, 530), in.rows(lab), w);
            results.addAll(List.of(y, gated));
        }
        return results;
    }

    private static List<Tensor> ropeCache(ParityCheck lab, DType dtype) {
        var in = RopeCacheParityTest.Inputs.of(lab, dtype, new int[] {32, 8, 2, 64, 5, 100, 0, 77});
        Tensor rows = in.rows(lab);
        Tensor cache = in.cache(lab, DType.BF16);
        in.fused(lab.ops(), rows, cache);
        return List.of(rows, cache);
    }

    private static List<Tensor> embedding(ParityCheck lab, DType dtype) {
        Tensor dtable = lab.normal(DType.F32, 50, 515).tensor();
        Tensor ids = lab.ints(lab.randomInts(3000, 50));
        lab.ops().embeddingBackward(dtable, lab.normal(dtype, 3000, 515).tensor(), ids);
        return List.of(dtable);
    }

    private static List<Tensor> rmsNorm(ParityCheck lab, DType dtype) {
        int t = 300;
        int d = 1031;
        Tensor x = lab.normal(dtype, t, d).tensor();
        Tensor w = lab.normal(dtype, d).tensor();
        Tensor y = lab.output(dtype, t, d);
        Tensor rstd = lab.output(DType.F32, t);
        lab.ops().rmsNorm(y, rstd, x, w, 1e-5f);
        Tensor dx = lab.output(dtype, t, d);
        Tensor dw = lab.normal(DType.F32, d).tensor();
        lab.ops().rmsNormBackward(dx, dw, lab.normal(dtype, t, d).tensor(), null, x, w, rstd);
        return List.of(y, rstd, dx, dw);
    }

    private static List<Tensor> biasAndNorm(ParityCheck lab, DType dtype) {
        Heads heads = new Heads(6, 2, 66, 1);
        int t = 300;
        Tensor x = lab.normal(dtype, t, heads.columns()).tensor();
        lab.ops().addBias(x, lab.normal(dtype, heads.columns()).tensor());
        QkNorm w = new QkNorm(lab.normal(dtype, heads.e()).tensor(), lab.normal(dtype, heads.e()).tensor());
        Tensor y = lab.output(dtype, t, heads.columns());
        Tensor rstd = lab.output(DType.F32, t, heads.h() + heads.k());
        lab.ops().qkNorm(y, rstd, x, w, heads, 1e-6f);
        Tensor dx = lab.normal(dtype, t, heads.columns()).tensor();
        QkNorm dw = new QkNorm(lab.normal(DType.F32, heads.e()).tensor(), lab.normal(DType.F32, heads.e()).tensor());
        lab.ops().qkNormBackward(dx, dw, x, w, rstd, heads);
        Tensor db = lab.normal(DType.F32, heads.columns()).tensor();
        lab.ops().addBiasBackward(db, dx);
        return List.of(x, y, rstd, dx, dw.q(), dw.k(), db);
    }

    private static List<Tensor> attention(ParityCheck lab, DType dtype, DType operands) {
        var heads = new Heads(8, 2, 64, 0.125f);
        int t = 230;
        Tensor qkv = lab.normal(dtype, t, heads.columns()).tensor();
        Tensor offsets = lab.ints(0, 1, 140, t);
        Tensor y = lab.output(dtype, t, 8 * 64);
        Tensor lse = lab.output(DType.F32, t, 8);
        AttentionState state = new AttentionState(qkv, y, lse, offsets, operands);
        lab.ops().attention(state, heads);
        Tensor dqkv = lab.output(dtype, t, heads.columns());
        Tensor delta = lab.output(DType.F32, t, 8);
        Tensor sums = lab.output(DType.F32, t, heads.columns());
        lab.ops().attentionBackward(dqkv, delta, sums, lab.normal(dtype, t, 8 * 64).tensor(), state, heads);
        return List.of(y, lse, dqkv);
    }

    private static List<Tensor> attentionPaged(ParityCheck lab, DType dtype) {
        var paged = new PagedCase(lab, Layer.of(8, 2, 64, dtype, dtype, 16), 1, 3, 3, 230, 60, 177, 45);
        return Arrays.stream(paged.run(lab.ops(), lab.ops(), new Schedule(true, true, 100, 9, 1, Schedule.WHOLE)))
                .map(y -> lab.data(dtype, y, y.length).tensor()).toList();
    }

    private static List<Tensor> lora(ParityCheck lab, DType dtype) {
        int t = 300;
        int c = 515;
        int n = 260;
        int r = 8;
        var dropout = new Dropout(0.2f, 5);
        Tensor x = lab.normal(dtype, t, c).tensor();
        Tensor a = lab.normal(DType.F32, 1, r, c).tensor();
        Tensor b = lab.normal(DType.F32, 1, n, r).tensor();
        Tensor u = lab.output(DType.F32, t, r);
        Tensor y = lab.normal(dtype, t, n).tensor();
        Tensor scaling = lab.normal(DType.F32, 1).tensor();
        lab.ops().loraDown(u, x, a, null, dropout);
        lab.ops().loraUp(y, u, b, scaling, null);
        Tensor du = lab.output(DType.F32, t, r);
        Tensor db = lab.normal(DType.F32, 1, n, r).tensor();
        lab.ops().loraUpBackward(du, db, lab.normal(dtype, t, n).tensor(), u, b, 2);
        Tensor dx = lab.normal(dtype, t, c).tensor();
        Tensor da = lab.normal(DType.F32, 1, r, c).tensor();
        lab.ops().loraDownBackward(dx, da, du, x, a, dropout);
        return List.of(u, y, du, db, dx, da);
    }

    private static List<Tensor> loss(ParityCheck lab) {
        int m = 50;
        int v = 5003;
        Tensor logits = lab.normal(2, DType.F32, m, v).tensor();
        Tensor targets = lab.ints(lab.randomInts(m, v));
        Tensor loss = lab.output(DType.F32, m);
        Tensor lse = lab.output(DType.F32, m);
        lab.ops().crossEntropy(loss, lse, logits, targets);
        Tensor dlogits = lab.output(DType.BF16, m, v);
        lab.ops().crossEntropyBackward(dlogits, logits, lse, targets, 0.1f);
        return List.of(loss, lse, dlogits);
    }

    private static List<Tensor> optimizer(ParityCheck lab) {
        int n = 1_000_003;
        Tensor g = lab.normal(DType.F32, n).tensor();
        Tensor norm = lab.output(DType.F32, 1);
        lab.ops().gradientNorm(norm, g);
        lab.ops().gradientClip(g, norm, 1);
        Tensor p = lab.normal(DType.F32, n).tensor();
        Tensor m = lab.context().allocateZero(DType.F32, n);
        Tensor v = lab.context().allocateZero(DType.F32, n);
        lab.ops().adamw(p, m, v, g, 1, new AdamW(0.01f, 0.9f, 0.95f, 1e-8f, 0.1f));
        return List.of(norm, g, p, m, v);
    }
}
