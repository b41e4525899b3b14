package org.ingrain.ops;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** qk_norm.cc. */
class QkNormParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1, 1, 2}, {7, 4, 2, 18}, {65, 6, 3, 48}, {3, 32, 8, 128}};  // T, H, K, E
    private static final float EPS = 1e-6f;

    @Override
    List<Check> checks() {
        return all(eachFloat("qk_norm_forward", QkNormParityTest::forward),
                eachFloat("qk_norm_backward", QkNormParityTest::backward));
    }

    private static void forward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            Heads heads = new Heads(size[1], size[2], size[3], 1);
            ParityCheck.Data x = lab.normal(dtype, size[0], heads.columns());
            ParityCheck.Data q = lab.normal(dtype, heads.e());
            ParityCheck.Data k = lab.normal(dtype, heads.e());
            QkNorm w = new QkNorm(q.tensor(), k.tensor());
            float[][] expected = lab.reference(torch -> {
                NDArray in = torch.array(x.values(), size[0], heads.columns());
                NDArray y = norm(in, torch.array(q.values(), heads.e()), torch.array(k.values(), heads.e()), heads);
                return new float[][] {Torch.floats(y), rstd(in, heads)};
            });
            Tensor rstd = lab.output(DType.F32, size[0], heads.h() + heads.k());
            Tensor y = lab.output(dtype, size[0], heads.columns());
            lab.ops().qkNorm(y, rstd, x.tensor(), w, heads, EPS);
            lab.expect("y", expected[0], y, ParityTolerance.of(dtype, heads.e()));
            lab.expect("rstd", expected[1], rstd, ParityTolerance.of(DType.F32, heads.e()));
            lab.ops().qkNorm(x.tensor(), null, x.tensor(), w, heads, EPS);
            lab.expect("y in place", expected[0], x.tensor(), ParityTolerance.of(dtype, heads.e()));
        }
    }

    private static void backward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            for (boolean trained : new boolean[] {true, false}) {
                backward(lab, dtype, size[0], new Heads(size[1], size[2], size[3], 1), trained);
            }
        }
    }

    private static void backward(ParityCheck lab, DType dtype, int t, Heads heads, boolean trained) {
        ParityCheck.Data x = lab.normal(dtype, t, heads.columns());
        ParityCheck.Data q = lab.normal(dtype, heads.e());
        ParityCheck.Data k = lab.normal(dtype, heads.e());
        ParityCheck.Data dx = lab.normal(dtype, t, heads.columns());
        ParityCheck.Data dq = lab.normal(DType.F32, heads.e());
        ParityCheck.Data dk = lab.normal(DType.F32, heads.e());
        float[] rstd = lab.reference(torch -> rstd(torch.array(x.values(), t, heads.columns()), heads));
        float[][] gradients = lab.reference(torch -> {
            var xLeaf = torch.leaf(x.values(), t, heads.columns());
            var qLeaf = torch.leaf(q.values(), heads.e());
            var kLeaf = torch.leaf(k.values(), heads.e());
            return torch.gradients(() -> norm(xLeaf, qLeaf, kLeaf, heads), dx.values(), xLeaf, qLeaf, kLeaf);
        });
        lab.ops().qkNormBackward(dx.tensor(), trained ? new QkNorm(dq.tensor(), dk.tensor()) : new QkNorm(null, null),
                x.tensor(), new QkNorm(q.tensor(), k.tensor()),
                lab.data(DType.F32, rstd, t, heads.h() + heads.k()).tensor(), heads);
        // dx is a difference of two terms. Each term may be as large as rstd·w·dy.
        lab.expect("dx", gradients[0], dx.tensor(), ParityTolerance.of(dtype, heads.e()).magnitude(
                Floats.largest(rstd) * Math.max(Floats.largest(q.values()), Floats.largest(k.values()))
                        * Floats.largest(dx.values())));
        if (trained) {
            lab.expect("dq_norm", Floats.sum(gradients[1], dq.values()), dq.tensor(),
                    ParityTolerance.of(DType.F32, t * heads.h()));
            lab.expect("dk_norm", Floats.sum(gradients[2], dk.values()), dk.tensor(),
                    ParityTolerance.of(DType.F32, t * heads.k()));
        }
    }

    private static NDArray norm(NDArray x, NDArray q, NDArray k, Heads heads) {
        long t = x.getShape().get(0);
        long queries = heads.h() * heads.e();
        long normed = queries + heads.k() * heads.e();
        NDArray query = heads(Torch.columns(x, 0, queries), heads.h(), heads.e());
        NDArray key = heads(Torch.columns(x, queries, normed), heads.k(), heads.e());
        return query.div(rms(query)).mul(q).reshape(t, queries)
                .concat(key.div(rms(key)).mul(k).reshape(t, normed - queries), 1)
                .concat(Torch.columns(x, normed, heads.columns()), 1);
    }

    private static NDArray heads(NDArray x, long count, long e) {
        return x.reshape(x.getShape().get(0), count, e);
    }

    /** rstd (T, H + K). */
    private static float[] rstd(NDArray x, Heads heads) {
        long normed = heads.h() + heads.k();
        return Torch.floats(rms(heads(Torch.columns(x, 0, normed * heads.e()), normed, heads.e())).pow(-1));
    }

    private static NDArray rms(NDArray x) {
        return x.square().mean(new int[] {-1}, true).add(EPS).sqrt();
    }
}
