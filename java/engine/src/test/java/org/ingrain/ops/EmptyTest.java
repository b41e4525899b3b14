package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests inputs without rows, which occur in a step without logits. Every op accepts such inputs and writes nothing,
 * except gather_rows_backward, which clears dx.
 */
class EmptyTest {
    private static final int WIDTH = 33;

    static List<TestTarget> targets() {
        return TestTarget.available();
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void forward(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            Tensor x = lab.output(DType.F32, 0, WIDTH);
            Tensor y = lab.output(DType.F32, 0, WIDTH);
            Tensor row = lab.normal(DType.F32, WIDTH).tensor();
            Tensor ids = lab.output(DType.I32, 0);
            Tensor scalars = lab.output(DType.F32, 0);
            Weight w = lab.weight(lab.normal(DType.F32, WIDTH, WIDTH), Weight.Layout.PACKED, 0);
            lab.ops().embedding(y, ids, w);
            lab.ops().gatherRows(y, lab.normal(DType.F32, 3, WIDTH).tensor(), ids);
            lab.ops().rmsNorm(y, scalars, x, row, 1e-5f);
            lab.ops().addRmsNorm(y, x, scalars, x, x, row, 1e-5f);
            lab.ops().matmul(y, x, w);
            lab.ops().matmul(y, x, w, 1);
            lab.ops().fused().matmulSiluMul(y, lab.output(DType.F32, 0, 2 * WIDTH), x,
                    lab.weight(lab.normal(DType.F32, 2 * WIDTH, WIDTH), Weight.Layout.PACKED, 0));
            var none = new FusedOps.Normed(y, x, row, 1e-5f);
            lab.ops().fused().normMatmul(lab.output(DType.F32, 0, WIDTH), none, w);
            lab.ops().fused().normMatmulSiluMul(lab.output(DType.F32, 0, WIDTH), lab.output(DType.F32, 0, 2 * WIDTH),
                    none, lab.weight(lab.normal(DType.F32, 2 * WIDTH, WIDTH), Weight.Layout.PACKED, 0));
            lab.ops().siluMul(y, lab.output(DType.F32, 0, 2 * WIDTH));
            lab.ops().addBias(y, row);
            Tensor heads = lab.output(DType.F32, 0, 3 * WIDTH);
            lab.ops().qkNorm(heads, null, heads, new QkNorm(row, row), new Heads(1, 1, WIDTH, 1), 1e-5f);
            lab.ops().loraDown(lab.output(DType.F32, 0, 4), x, lab.normal(DType.F32, 1, 4, WIDTH).tensor(), null,
                    Dropout.NONE);
            lab.ops().loraUp(y, lab.output(DType.F32, 0, 4), lab.normal(DType.F32, 1, WIDTH, 4).tensor(),
                    lab.normal(DType.F32, 1).tensor(), null);
            Tensor table = lab.normal(DType.F32, 1, 64).tensor();
            lab.ops().rope(lab.output(DType.F32, 0, 3 * 64), table, ids, new Heads(1, 1, 64, 1));
            Batch batch = lab.context().batch(1, 1, 1, 16);
            batch.use(0, 0, false);
            Tensor cache = lab.output(DType.F32, 1, lab.context().kvCacheBlockBytes(DType.F32, 16, 1, 64) / 4);
            lab.ops().kvCacheWrite(cache, lab.output(DType.F32, 0, 3 * 64), batch, new Heads(1, 1, 64, 1));
            lab.ops().fused().ropeCache(lab.output(DType.F32, 0, 3 * 64), cache, table, batch, new Heads(1, 1, 64, 1));
            lab.ops().crossEntropy(scalars, null, x, ids);
            lab.ops().sample(ids, scalars, x, new SampleRows(
                    scalars, ids, scalars, lab.output(DType.I64, 0), ids, ids));
            lab.ops().selectIds(ids, ids, ids, ids);
            lab.ops().biasLogits(x, ids, ids, scalars);
            lab.ops().topTokens(lab.output(DType.I32, 0, 2), lab.output(DType.F32, 0, 2), x);
            lab.ops().convert(scalars, scalars);
            lab.assertGuards();
        }
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void backward(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            Tensor x = lab.output(DType.F32, 0, WIDTH);
            Tensor dx = lab.output(DType.F32, 0, WIDTH);
            Tensor ids = lab.output(DType.I32, 0);
            ParityCheck.Data row = lab.normal(DType.F32, WIDTH);
            ParityCheck.Data matrix = lab.normal(DType.F32, WIDTH, WIDTH);
            lab.ops().embeddingBackward(matrix.tensor(), x, ids);
            lab.ops().matmulWeightBackward(matrix.tensor(), x, x);
            lab.ops().matmulBackward(dx, x, lab.weight(matrix, Weight.Layout.PACKED, 0), 1);
            lab.ops().rmsNormBackward(dx, row.tensor(), x, null, x, row.tensor(), lab.output(DType.F32, 0));
            lab.ops().siluMulBackward(lab.output(DType.F32, 0, 2 * WIDTH), x, lab.output(DType.F32, 0, 2 * WIDTH));
            lab.ops().addBiasBackward(row.tensor(), x);
            Tensor heads = lab.output(DType.F32, 0, 3 * WIDTH);
            QkNorm weights = new QkNorm(row.tensor(), row.tensor());
            lab.ops().qkNormBackward(heads, weights, heads, weights, lab.output(DType.F32, 0, 2),
                    new Heads(1, 1, WIDTH, 1));
            Tensor gathered = lab.output(DType.F32, 3, WIDTH);
            lab.ops().gatherRowsBackward(gathered, x, ids);
            lab.assertGuards();
            assertArrayEquals(row.values(), lab.floats(row.tensor()), "dw");
            assertArrayEquals(matrix.values(), lab.floats(matrix.tensor()), "dW");
            assertArrayEquals(new float[3 * WIDTH], lab.floats(gathered), "dx of no rows");
        }
    }
}
