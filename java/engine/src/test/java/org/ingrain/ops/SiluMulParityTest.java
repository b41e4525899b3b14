package org.ingrain.ops;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** silu_mul.cc. */
class SiluMulParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1}, {1, 4099}, {7, 127}, {127, 64}};  // T, F
    private static final float[] EXTREMES = {0, -0f, 1e-30f, -1e-30f, 20, -20, 88, -88, 100, -100, 1000, -1000};

    @Override
    List<Check> checks() {
        return all(eachFloat("silu_mul_forward", SiluMulParityTest::forward),
                eachFloat("silu_mul_backward", SiluMulParityTest::backward));
    }

    private static void forward(ParityCheck lab, DType dtype) {
        for (ParityCheck.Data gateUp : inputs(lab, dtype)) {
            long t = gateUp.tensor().size(0);
            long f = gateUp.tensor().size(1) / 2;
            Tensor y = lab.output(dtype, t, f);
            lab.ops().siluMul(y, gateUp.tensor());
            float[] expected = lab.reference(torch -> Torch.floats(
                    siluMul(torch, torch.array(gateUp.values(), t, 2 * f), f)));
            lab.expect("y", expected, y, ParityTolerance.of(dtype, 1));
        }
    }

    private static void backward(ParityCheck lab, DType dtype) {
        for (ParityCheck.Data gateUp : inputs(lab, dtype)) {
            long t = gateUp.tensor().size(0);
            long f = gateUp.tensor().size(1) / 2;
            ParityCheck.Data dy = lab.normal(dtype, t, f);
            Tensor dgateUp = lab.output(dtype, t, 2 * f);
            lab.ops().siluMulBackward(dgateUp, dy.tensor(), gateUp.tensor());
            float[] expected = lab.reference(torch -> {
                var leaf = torch.leaf(gateUp.values(), t, 2 * f);
                return torch.gradients(() -> siluMul(torch, leaf, f), dy.values(), leaf)[0];
            });
            lab.expect("dgateUp", expected, dgateUp, ParityTolerance.of(dtype, 1));
        }
    }

    private static List<ParityCheck.Data> inputs(ParityCheck lab, DType dtype) {
        float[] extremes = java.util.Arrays.copyOf(EXTREMES, 2 * EXTREMES.length);
        java.util.Arrays.fill(extremes, EXTREMES.length, extremes.length, 1.5f);
        return java.util.stream.Stream.concat(
                java.util.Arrays.stream(SIZES).map(size -> lab.normal(2, dtype, size[0], 2L * size[1])),
                java.util.stream.Stream.of(lab.data(dtype, extremes, 1, extremes.length))).toList();
    }

    private static NDArray siluMul(Torch torch, NDArray gateUp, long f) {
        NDArray gate = Torch.columns(gateUp, 0, f);
        return gate.mul(torch.sigmoid(gate)).mul(Torch.columns(gateUp, f, 2 * f));
    }
}
