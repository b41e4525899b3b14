package org.ingrain.ops;

import java.util.List;
import org.ingrain.tensor.DType;

/** add_bias.cc. */
class AddBiasParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1}, {7, 127}, {129, 64}, {3, 4099}, {300, 24}};  // T, N

    @Override
    List<Check> checks() {
        return all(eachFloat("add_bias_forward", AddBiasParityTest::forward),
                eachFloat("add_bias_backward", AddBiasParityTest::backward));
    }

    private static void forward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            ParityCheck.Data y = lab.normal(dtype, size[0], size[1]);
            ParityCheck.Data b = lab.normal(dtype, size[1]);
            float[] expected = lab.reference(torch -> Torch.floats(
                    torch.array(y.values(), size[0], size[1]).add(torch.array(b.values(), size[1]))));
            lab.ops().addBias(y.tensor(), b.tensor());
            lab.expect("y", expected, y.tensor(), ParityTolerance.rounding(dtype));
        }
    }

    private static void backward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            ParityCheck.Data dy = lab.normal(dtype, size[0], size[1]);
            ParityCheck.Data db = lab.normal(DType.F32, size[1]);
            float[] gradient = lab.reference(torch -> {
                var leaf = torch.leaf(new float[size[1]], size[1]);
                return torch.gradients(() -> torch.times(leaf.broadcast(size[0], size[1]), 1), dy.values(), leaf)[0];
            });
            lab.ops().addBiasBackward(db.tensor(), dy.tensor());
            lab.expect("db", Floats.sum(gradient, db.values()), db.tensor(),
                    ParityTolerance.of(DType.F32, size[0]).magnitude(Math.sqrt(size[0])));
        }
    }
}
