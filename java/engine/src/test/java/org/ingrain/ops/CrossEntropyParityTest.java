package org.ingrain.ops;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** cross_entropy.cc. */
class CrossEntropyParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1}, {7, 7}, {127, 127}, {3, 4099}, {2, 32000}};  // M, V
    // Standard deviations of the logits: all logits equal, typical logits, a one-hot softmax.
    private static final double[] STDS = {0, 1, 1e4};

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>(eachFloat("cross_entropy_backward", CrossEntropyParityTest::backward));
        checks.add(new Check("cross_entropy_forward", "", CrossEntropyParityTest::forward));
        return checks;
    }

    private static void forward(ParityCheck lab) {
        for (int[] size : SIZES) {
            for (double std : STDS) {
                int m = size[0];
                int v = size[1];
                ParityCheck.Data logits = lab.normal(std, DType.F32, m, v);
                int[] targets = targets(lab, m, v);
                Tensor loss = lab.output(DType.F32, m);
                Tensor lse = lab.output(DType.F32, m);
                lab.ops().crossEntropy(loss, lse, logits.tensor(), lab.ints(targets));
                float[] expected = lab.reference(torch -> Torch.floats(torch.array(logits.values(), m, v).logSoftmax(-1)
                        .gather(torch.indices(targets, m, 1), 1).neg().reshape(m)));
                // The loss is lse − logit. Each of the two terms may be as large as the largest logit.
                ParityTolerance tolerance = ParityTolerance.of(DType.F32, v).magnitude(Math.max(1, 4 * std));
                lab.expect("loss of V " + v, expected, loss, tolerance);
                lab.expect("lse of V " + v, lse(lab, logits, m, v), lse, tolerance);
                Tensor alone = lab.output(DType.F32, m);
                lab.ops().crossEntropy(alone, null, logits.tensor(), lab.ints(targets));
                Floats.assertBits("loss without lse", lab.floats(loss), lab.floats(alone));
            }
        }
    }

    private static void backward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            for (double std : STDS) {
                int m = size[0];
                int v = size[1];
                ParityCheck.Data logits = lab.normal(std, DType.F32, m, v);
                int[] targets = targets(lab, m, v);
                Tensor lse = lab.data(DType.F32, lse(lab, logits, m, v), m).tensor();
                float scale = 0.37f;
                boolean alias = dtype == DType.F32 && m % 2 == 1;
                Tensor dlogits = alias ? logits.tensor() : lab.output(dtype, m, v);
                lab.ops().crossEntropyBackward(dlogits, logits.tensor(), lse, lab.ints(targets), scale);
                float[] dloss = new float[m];
                Arrays.fill(dloss, scale);
                float[] expected = lab.reference(torch -> {
                    var leaf = torch.leaf(logits.values(), m, v);
                    var picks = torch.indices(targets, m, 1);
                    return torch.gradients(() -> leaf.logSoftmax(-1).gather(picks, 1).neg().reshape(m), dloss, leaf)[0];
                });
                // The softmax is exp(logit − lse), so an absolute error of logit or lse causes an equal relative error
                // of the softmax.
                lab.expect("dlogits of V " + v, expected, dlogits,
                        ParityTolerance.of(dtype, v).magnitude(scale * Math.max(1, 4 * std)));
            }
        }
    }

    private static int[] targets(ParityCheck lab, int m, int v) {
        int[] targets = lab.randomInts(m, v);
        targets[0] = v - 1;
        return targets;
    }

    private static float[] lse(ParityCheck lab, ParityCheck.Data logits, int m, int v) {
        return lab.reference(torch -> {
            var x = torch.array(logits.values(), m, v);
            return Torch.floats(x.sub(x.logSoftmax(-1)).max(new int[] {-1}));
        });
    }
}
