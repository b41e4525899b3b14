package org.ingrain.ops;

import ai.djl.ndarray.types.DataType;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** adamw.cc: gradient norm, gradient clipping and the AdamW step. */
class AdamwParityTest extends ParityTest {
    private static final int[] SIZES = {1, 7, 127, 4099, 10_007};
    private static final AdamW COEFFICIENTS = new AdamW(0.01f, 0.9f, 0.95f, 1e-8f, 0.1f);

    @Override
    List<Check> checks() {
        return List.of(new Check("gradient_norm", "", AdamwParityTest::norm),
                new Check("gradient_clip", "", AdamwParityTest::clip),
                new Check("adamw", "libtorch", AdamwParityTest::steps),
                new Check("adamw", "torch.optim", AdamwParityTest::known));
    }

    private static void norm(ParityCheck lab) {
        for (int n : new int[] {1, 7, 127, 4099, 1_000_003}) {
            for (double std : new double[] {0, 1e-6, 1, 1e6}) {
                ParityCheck.Data x = lab.normal(std, DType.F32, n);
                Tensor norm = lab.output(DType.F32, 1);
                lab.ops().gradientNorm(norm, x.tensor());
                // The norm is computed in f64, because libtorch's f32 norm has a relative error of 1e-5 for a million
                // elements.
                float[] expected = lab.reference(torch -> Torch.floats(
                        torch.array(x.values(), n).toType(DataType.FLOAT64, false).norm()));
                lab.expect("norm of " + n, expected, norm, ParityTolerance.of(DType.F32, 1));
            }
        }
    }

    private static void clip(ParityCheck lab) {
        for (int n : SIZES) {
            for (float norm : new float[] {0, 0.5f, 1, 3.7f, 1e8f}) {
                ParityCheck.Data x = lab.normal(DType.F32, n);
                lab.ops().gradientClip(x.tensor(), lab.data(DType.F32, new float[] {norm}, 1).tensor(), 1);
                float factor = Math.min(1, 1 / (norm + 1e-6f));
                float[] expected = lab.reference(torch -> Torch.floats(torch.array(x.values(), n).mul(factor)));
                lab.expect("x of norm " + norm, expected, x.tensor(), ParityTolerance.of(DType.F32, 1));
            }
        }
    }

    private static void steps(ParityCheck lab) {
        for (int n : SIZES) {
            for (long step : new long[] {1, 2, 1000}) {
                ParityCheck.Data p = lab.normal(DType.F32, n);
                ParityCheck.Data m = lab.normal(step == 1 ? 0 : 0.1, DType.F32, n);
                ParityCheck.Data g = lab.normal(DType.F32, n);
                float[] squares = new float[n];
                for (int i = 0; i < n; i++) {
                    squares[i] = step == 1 ? 0 : m.values()[i] * m.values()[i] * 3;
                }
                ParityCheck.Data v = lab.data(DType.F32, squares, n);
                lab.ops().adamw(p.tensor(), m.tensor(), v.tensor(), g.tensor(), step, COEFFICIENTS);
                float[][] expected = lab.reference(torch -> adamw(torch, p, m, v, g, step));
                lab.expect("p at step " + step, expected[0], p.tensor(), ParityTolerance.of(DType.F32, 4));
                lab.expect("m at step " + step, expected[1], m.tensor(), ParityTolerance.of(DType.F32, 2));
                lab.expect("v at step " + step, expected[2], v.tensor(), ParityTolerance.of(DType.F32, 2));
            }
        }
    }

    private static float[][] adamw(Torch torch, ParityCheck.Data p, ParityCheck.Data m, ParityCheck.Data v,
            ParityCheck.Data g, long step) {
        AdamW c = COEFFICIENTS;
        long n = p.values().length;
        var gradient = torch.array(g.values(), n);
        var first = torch.array(m.values(), n).mul(c.beta1()).add(gradient.mul(1 - c.beta1()));
        var second = torch.array(v.values(), n).mul(c.beta2()).add(gradient.square().mul(1 - c.beta2()));
        double correction1 = 1 - Math.pow(c.beta1(), step);
        double correction2 = 1 - Math.pow(c.beta2(), step);
        var denominator = second.sqrt().div(Math.sqrt(correction2)).add(c.eps());
        var decayed = torch.array(p.values(), n).mul(1 - c.learningRate() * c.weightDecay());
        var next = decayed.sub(first.div(denominator).mul(c.learningRate() / correction1));
        return new float[][] {Torch.floats(next), Torch.floats(first), Torch.floats(second)};
    }

    /**
     * Compares three steps with recorded values of torch.optim.AdamW (PyTorch 2.13). The op and torch.optim.AdamW use
     * the same coefficients and the gradient p² − 0.3·step.
     */
    private static void known(ParityCheck lab) {
        float[] start = {1, -0.5f, 0.25f, 2, -3};
        float[] end = {0.969648063f, -0.471826315f, 0.277986318f, 1.96413469f, -3.02095985f};
        ParityCheck.Data p = lab.data(DType.F32, start, start.length);
        Tensor m = lab.data(DType.F32, new float[start.length], start.length).tensor();
        Tensor v = lab.data(DType.F32, new float[start.length], start.length).tensor();
        for (int step = 1; step <= 3; step++) {
            float[] g = lab.floats(p.tensor());
            for (int i = 0; i < g.length; i++) {
                g[i] = g[i] * g[i] - 0.3f * step;
            }
            lab.ops().adamw(p.tensor(), m, v, lab.data(DType.F32, g, g.length).tensor(), step, COEFFICIENTS);
        }
        lab.expect("p after three steps", end, p.tensor(), ParityTolerance.of(DType.F32, 16));
    }
}
