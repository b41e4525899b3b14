package org.ingrain.ops;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** rms_norm.cc. */
class RmsNormParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1}, {1, 4099}, {7, 127}, {127, 64}, {3, 4096}};  // T, D
    private static final float EPS = 1e-5f;

    @Override
    List<Check> checks() {
        return all(eachFloat("rms_norm_forward", RmsNormParityTest::forward),
                eachFloat("add_rms_norm_forward", RmsNormParityTest::addForward),
                eachFloat("rms_norm_backward", RmsNormParityTest::backward));
    }

    private static void forward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            forward(lab, lab.normal(dtype, size[0], size[1]));
        }
        forward(lab, lab.data(dtype, new float[3 * 127], 3, 127));
        forward(lab, lab.normal(1e15, dtype, 2, 127));
        forward(lab, lab.normal(1e-15, dtype, 2, 127));
    }

    private static void forward(ParityCheck lab, ParityCheck.Data x) {
        DType dtype = x.tensor().dtype();
        long d = x.tensor().size(1);
        ParityCheck.Data w = lab.normal(dtype, d);
        float[][] expected = lab.reference(torch -> norm(torch, x.values(), w.values()));
        Tensor rstd = lab.output(DType.F32, x.tensor().size(0));
        for (Tensor out : new Tensor[] {rstd, null}) {
            Tensor y = lab.output(dtype, x.tensor().size(0), d);
            lab.ops().rmsNorm(y, out, x.tensor(), w.tensor(), EPS);
            lab.expect("y", expected[0], y, ParityTolerance.of(dtype, d));
        }
        lab.expect("rstd", expected[1], rstd, ParityTolerance.of(DType.F32, d));
    }

    private static void addForward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            for (int alias = 0; alias < 3; alias++) {
                ParityCheck.Data x = lab.normal(dtype, size[0], size[1]);
                ParityCheck.Data residual = lab.normal(dtype, size[0], size[1]);
                ParityCheck.Data w = lab.normal(dtype, size[1]);
                Tensor h = List.of(lab.output(dtype, size[0], size[1]), x.tensor(), residual.tensor()).get(alias);
                Tensor y = lab.output(dtype, size[0], size[1]);
                Tensor rstd = lab.output(DType.F32, size[0]);
                lab.ops().addRmsNorm(y, h, rstd, x.tensor(), residual.tensor(), w.tensor(), EPS);
                float[] sum = Floats.rounded(dtype, Floats.sum(x.values(), residual.values()));
                float[][] expected = lab.reference(torch -> norm(torch, sum, w.values()));
                lab.expect("h", sum, h, ParityTolerance.rounding(DType.F32));
                lab.expect("y", expected[0], y, ParityTolerance.of(dtype, size[1]));
                lab.expect("rstd", expected[1], rstd, ParityTolerance.of(DType.F32, size[1]));
            }
        }
    }

    private static void backward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            backward(lab, dtype, size[0], size[1], true, true, false);
            backward(lab, dtype, size[0], size[1], true, false, true);
            backward(lab, dtype, size[0], size[1], false, true, false);
        }
    }

    private static void backward(ParityCheck lab, DType dtype, long t, long d, boolean residual, boolean weight,
            boolean alias) {
        ParityCheck.Data x = lab.normal(dtype, t, d);
        ParityCheck.Data w = lab.normal(dtype, d);
        ParityCheck.Data dy = lab.normal(dtype, t, d);
        ParityCheck.Data dresidual = lab.normal(dtype, t, d);
        ParityCheck.Data dw = lab.normal(DType.F32, d);
        float[] rstd = lab.reference(torch -> norm(torch, x.values(), w.values())[1]);
        Tensor dx = alias ? dresidual.tensor() : lab.output(dtype, t, d);
        lab.ops().rmsNormBackward(dx, weight ? dw.tensor() : null, dy.tensor(), residual ? dresidual.tensor() : null,
                x.tensor(), w.tensor(), lab.data(DType.F32, rstd, t).tensor());
        float[][] gradients = lab.reference(torch -> {
            var xLeaf = torch.leaf(x.values(), t, d);
            var wLeaf = torch.leaf(w.values(), d);
            return torch.gradients(() -> xLeaf.div(rms(xLeaf)).mul(wLeaf), dy.values(), xLeaf, wLeaf);
        });
        // dx is a difference of two terms, which may be much larger than dx. With D = 1 the terms differ only because
        // of eps.
        lab.expect("dx", residual ? Floats.sum(gradients[0], dresidual.values()) : gradients[0], dx,
                ParityTolerance.of(dtype, d).magnitude(largestTerm(rstd, w.values(), dy.values())));
        if (weight) {
            lab.expect("dw", Floats.sum(gradients[1], dw.values()), dw.tensor(), ParityTolerance.of(DType.F32, t));
        }
    }

    /** The maximum of |rstd·w·dy|, the size of the larger of the two terms of dx. */
    private static double largestTerm(float[] rstd, float[] w, float[] dy) {
        double largest = 0;
        for (int i = 0; i < dy.length; i++) {
            largest = Math.max(largest, Math.abs((double) rstd[i / w.length] * w[i % w.length] * dy[i]));
        }
        return largest;
    }

    /** y and rstd. */
    private static float[][] norm(Torch torch, float[] x, float[] w) {
        NDArray in = torch.array(x, x.length / w.length, w.length);
        NDArray rms = rms(in);
        return new float[][] {Torch.floats(in.div(rms).mul(torch.array(w, w.length))), Torch.floats(rms.pow(-1))};
    }

    private static NDArray rms(NDArray x) {
        return x.square().mean(new int[] {-1}, true).add(EPS).sqrt();
    }
}
