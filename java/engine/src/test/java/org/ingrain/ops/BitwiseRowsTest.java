package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The result of a row has the same bits whether the row is computed alone, with 2 or 16 other rows, or with all rows.
 */
class BitwiseRowsTest {
    private static final int T = 40;
    private static final int[] STEPS = {1, 3, 17};

    /**
     * An op that reads only row t of its inputs to compute row t of its output.
     *
     * @param prepare creates the inputs; returns a function that computes a range of rows
     */
    private record RowOp(String name, Function<ParityCheck, Rows> prepare) {
        @Override
        public String toString() {
            return name;
        }
    }

    /** Computes rows [begin, end). */
    private interface Rows {
        Tensor run(int begin, int end);
    }

    static Stream<Arguments> ops() {
        return TestTarget.available().stream().flatMap(
                target -> ops(target).stream().map(op -> Arguments.of(op, target)));
    }

    private static List<RowOp> ops(TestTarget target) {
        List<RowOp> ops = new ArrayList<>();
        for (DType dtype : ParityTest.FLOATS) {
            for (DType w : ParityTest.FLOATS) {
                for (Weight.Layout layout : target.layouts()) {
                    ops.add(new RowOp("matmul " + dtype + " by " + w + " " + layout,
                            lab -> matmul(lab, dtype, w, layout)));
                    ops.add(new RowOp("matmul added " + dtype + " by " + w + " " + layout,
                            lab -> matmulAdded(lab, dtype, w, layout)));
                    ops.add(new RowOp("matmul_silu_mul " + dtype + " by " + w + " " + layout,
                            lab -> matmulSiluMul(lab, dtype, w, layout)));
                    ops.add(new RowOp("matmul backward " + dtype + " by " + w + " " + layout,
                            lab -> matmulBackward(lab, dtype, w, layout)));
                }
            }
            ops.add(new RowOp("matmul in pieces " + dtype, lab -> matmulInPieces(lab, dtype)));
            ops.add(new RowOp("rms_norm " + dtype, lab -> rmsNorm(lab, dtype)));
            ops.add(new RowOp("add_rms_norm " + dtype, lab -> addRmsNorm(lab, dtype)));
            ops.add(new RowOp("add_bias and qk_norm " + dtype, lab -> biasAndNorm(lab, dtype)));
            ops.add(new RowOp("norm_matmul " + dtype, lab -> normMatmul(lab, dtype)));
            ops.add(new RowOp("lora " + dtype, lab -> lora(lab, dtype)));
        }
        ops.add(new RowOp("sample", BitwiseRowsTest::sample));
        ops.add(new RowOp("sample, log-probabilities", BitwiseRowsTest::sampleLogProbabilities));
        ops.add(new RowOp("cross_entropy", BitwiseRowsTest::loss));
        return ops;
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("ops")
    void neighboursDoNotMatter(RowOp op, TestTarget target) {
        try (ParityCheck lab = target.open()) {
            lab.context().setDeterministic(true);
            Rows rows = op.prepare().apply(lab);
            byte[] together = lab.bytes(rows.run(0, T));
            int width = together.length / T;
            for (int step : STEPS) {
                for (int begin : begins(target, step)) {
                    int end = Math.min(begin + step, T);
                    assertArrayEquals(Arrays.copyOfRange(together, begin * width, end * width),
                            lab.bytes(rows.run(begin, end)), op + ": rows " + begin + " to " + end
                            + " differ when computed alone");
                }
            }
            lab.assertGuards();
        }
    }

    /**
     * The first row of each range of {@code step} rows. On an emulated GPU, which is slow, short ranges are tested only
     * at the edges of tiles of eight rows.
     */
    private static int[] begins(TestTarget target, int step) {
        return IntStream.range(0, T).filter(begin -> begin % step == 0)
                .filter(begin -> !target.emulated() || step > 16 || (begin + 1) % 8 <= 1 || begin + step >= T)
                .toArray();
    }

    private static Rows matmul(ParityCheck lab, DType dtype, DType wDtype, Weight.Layout layout) {
        Tensor x = lab.normal(dtype, T, 1031).tensor();
        Weight w = lab.weight(lab.normal(wDtype, 131, 1031), layout, 0);
        return (begin, end) -> {
            Tensor y = lab.output(DType.F32, end - begin, 131);
            lab.ops().matmul(y, x.rows(begin, end), w);
            return y;
        };
    }

    /**
     * A product in which the size of each row in bytes is a multiple of 16. If the context is not deterministic, a GPU
     * uses one kernel for few rows of such a product, and another kernel for many rows.
     */
    private static Rows matmulInPieces(ParityCheck lab, DType dtype) {
        Tensor x = lab.normal(dtype, T, 520).tensor();
        Weight w = lab.weight(lab.normal(dtype, 136, 520), Weight.Layout.PACKED, 0);
        return (begin, end) -> {
            Tensor y = lab.output(dtype, end - begin, 136);
            lab.ops().matmul(y, x.rows(begin, end), w);
            return y;
        };
    }

    private static Rows matmulAdded(ParityCheck lab, DType dtype, DType wDtype, Weight.Layout layout) {
        Tensor x = lab.normal(dtype, T, 1040).tensor();
        Tensor before = lab.normal(dtype, T, 131).tensor();
        Weight w = lab.weight(lab.normal(wDtype, 131, 1040), layout, 130);
        return (begin, end) -> {
            Tensor y = lab.output(dtype, end - begin, 131);
            lab.context().copy(y, before.rows(begin, end));
            lab.ops().matmul(y, x.rows(begin, end), w, 1);
            return y;
        };
    }

    private static Rows matmulSiluMul(ParityCheck lab, DType dtype, DType wDtype, Weight.Layout layout) {
        Tensor x = lab.normal(0.03, dtype, T, 1031).tensor();
        Weight w = lab.weight(lab.normal(wDtype, 262, 1031), layout, 0);
        return (begin, end) -> {
            Tensor y = lab.output(dtype, end - begin, 131);
            lab.ops().fused().matmulSiluMul(y, lab.output(dtype, end - begin, 262), x.rows(begin, end), w);
            return y;
        };
    }

    private static Rows matmulBackward(ParityCheck lab, DType dtype, DType wDtype, Weight.Layout layout) {
        Tensor dy = lab.normal(dtype, T, 515).tensor();
        Weight w = lab.weight(lab.normal(wDtype, 515, 131), layout, 0);
        return (begin, end) -> {
            Tensor dx = lab.output(DType.F32, end - begin, 131);
            lab.ops().matmulBackward(dx, dy.rows(begin, end), w, 0);
            return dx;
        };
    }

    private static Rows normMatmul(ParityCheck lab, DType dtype) {
        var in = NormMatmulParityTest.Inputs.of(lab, dtype, dtype, new int[] {T, 134, 520});
        Weight w = lab.weight(in.w(), Weight.Layout.PACKED, 0);
        return (begin, end) -> {
            FusedOps.Normed all = in.rows(lab);
            Tensor y = lab.output(dtype, end - begin, 134);
            lab.ops().fused().normMatmul(y, new FusedOps.Normed(
                    all.x().rows(begin, end), all.h().rows(begin, end), all.w(), all.eps()), w);
            return y;
        };
    }

    private static Rows rmsNorm(ParityCheck lab, DType dtype) {
        Tensor x = lab.normal(dtype, T, 1031).tensor();
        Tensor w = lab.normal(dtype, 1031).tensor();
        return (begin, end) -> {
            Tensor y = lab.output(dtype, end - begin, 1031);
            lab.ops().rmsNorm(y, null, x.rows(begin, end), w, 1e-5f);
            return y;
        };
    }

    private static Rows addRmsNorm(ParityCheck lab, DType dtype) {
        Tensor x = lab.normal(dtype, T, 1031).tensor();
        Tensor residual = lab.normal(dtype, T, 1031).tensor();
        Tensor w = lab.normal(dtype, 1031).tensor();
        return (begin, end) -> {
            Tensor y = lab.output(dtype, end - begin, 1031);
            Tensor h = lab.output(dtype, end - begin, 1031);
            lab.ops().addRmsNorm(y, h, null, x.rows(begin, end), residual.rows(begin, end), w, 1e-5f);
            return y;
        };
    }

    private static Rows biasAndNorm(ParityCheck lab, DType dtype) {
        Ops.Heads heads = new Ops.Heads(4, 2, 66, 1);
        Tensor before = lab.normal(dtype, T, heads.columns()).tensor();
        Tensor bias = lab.normal(dtype, heads.columns()).tensor();
        QkNorm w = new QkNorm(lab.normal(dtype, heads.e()).tensor(), lab.normal(dtype, heads.e()).tensor());
        return (begin, end) -> {
            Tensor y = lab.output(dtype, end - begin, heads.columns());
            lab.context().copy(y, before.rows(begin, end));
            lab.ops().addBias(y, bias);
            lab.ops().qkNorm(y, null, y, w, heads, 1e-6f);
            return y;
        };
    }

    /** lora_down and lora_up, with different adapters in one batch. */
    private static Rows lora(ParityCheck lab, DType dtype) {
        Tensor x = lab.normal(dtype, T, 515).tensor();
        Tensor before = lab.normal(dtype, T, 131).tensor();
        Tensor a = lab.normal(DType.F32, 3, 8, 515).tensor();
        Tensor b = lab.normal(DType.F32, 3, 131, 8).tensor();
        Tensor scaling = lab.normal(DType.F32, 3).tensor();
        Tensor slots = lab.ints(lab.random().ints(T, -1, 3).toArray());
        return (begin, end) -> {
            Tensor u = lab.output(DType.F32, end - begin, 8);
            Tensor y = lab.output(dtype, end - begin, 131);
            lab.context().copy(y, before.rows(begin, end));
            lab.ops().loraDown(u, x.rows(begin, end), a, slots.rows(begin, end), Dropout.NONE);
            lab.ops().loraUp(y, u, b, scaling, slots.rows(begin, end));
            return y;
        };
    }

    private static Rows sample(ParityCheck lab) {
        return sample(lab, false);
    }

    private static Rows sampleLogProbabilities(ParityCheck lab) {
        return sample(lab, true);
    }

    private static Rows sample(ParityCheck lab, boolean logProbabilities) {
        Tensor logits = lab.normal(2, DType.F32, T, 5003).tensor();
        float[] temperature = new float[T];
        float[] topP = new float[T];
        for (int t = 0; t < T; t++) {
            temperature[t] = 0.25f * (t % 5);
            topP[t] = t % 3 == 0 ? 1 : 0.3f + 0.01f * t;
        }
        var all = new SampleRows(lab.data(DType.F32, temperature, T).tensor(),
                lab.ints(IntStream.range(0, T).map(t -> t % 4 * 13).toArray()), lab.data(DType.F32, topP, T).tensor(),
                lab.longs(lab.random().longs(T).toArray()), lab.ints(lab.randomInts(T, 9)),
                lab.ints(lab.randomInts(T, 4096)));
        return (begin, end) -> {
            Tensor ids = lab.output(DType.I32, end - begin);
            Tensor chosen = lab.output(DType.F32, end - begin);
            lab.ops().sample(ids, chosen, logits.rows(begin, end),
                    new SampleRows(all.temperature().rows(begin, end), all.topK().rows(begin, end),
                            all.topP().rows(begin, end), all.seeds().rows(begin, end), all.sequences().rows(begin, end),
                            all.positions().rows(begin, end)));
            return logProbabilities ? chosen : ids;
        };
    }

    private static Rows loss(ParityCheck lab) {
        Tensor logits = lab.normal(2, DType.F32, T, 5003).tensor();
        Tensor targets = lab.ints(lab.randomInts(T, 5003));
        return (begin, end) -> {
            Tensor loss = lab.output(DType.F32, end - begin);
            lab.ops().crossEntropy(loss, null, logits.rows(begin, end), targets.rows(begin, end));
            return loss;
        };
    }
}
