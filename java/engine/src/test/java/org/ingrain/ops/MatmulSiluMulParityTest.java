package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** matmul_silu_mul.cc. */
class MatmulSiluMulParityTest extends ParityTest {
    /**
     * T, F, C. The first six sizes are irregular. In the other sizes the bytes of a row are a multiple of 16, because
     * GPUs have special kernels for such rows.
     */
    private static final int[][] SIZES = {{1, 1, 1}, {1, 127, 4099}, {7, 33, 127}, {127, 64, 65}, {5, 1024, 7},
            {33, 96, 128},
        {1, 65, 1288}, {8, 40, 264}, {16, 33, 2056}, {17, 24, 48}};

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (DType x : FLOATS) {
                for (DType w : FLOATS) {
                    checks.add(new Check("matmul_silu_mul_forward", x + " by " + w + " " + layout,
                            lab -> forward(lab, layout, x, w)));
                }
            }
        }
        return checks;
    }

    /** An op may round gate and up to the dtype before it multiplies them. The tolerance includes these roundings. */
    private static void forward(ParityCheck lab, Weight.Layout layout, DType dtype, DType wDtype) {
        for (int[] size : SIZES) {
            int t = size[0];
            int f = size[1];
            int c = size[2];
            ParityCheck.Data x = lab.normal(1 / Math.sqrt(c), dtype, t, c);
            ParityCheck.Data w = lab.normal(wDtype, 2L * f, c);
            Tensor y = lab.output(dtype, t, f);
            lab.ops().fused().matmulSiluMul(y, lab.output(dtype, t, 2L * f), x.tensor(), lab.weight(w, layout, 0));
            float[][] expected = lab.reference(torch -> {
                var gateUp = torch.array(x.values(), t, c).matMul(torch.array(w.values(), 2L * f, c).transpose());
                var gate = Torch.columns(gateUp, 0, f);
                var up = Torch.columns(gateUp, f, 2L * f);
                return new float[][] {Torch.floats(gate.mul(torch.sigmoid(gate)).mul(up)), Torch.floats(gate.mul(up))};
            });
            // If the CPU rounds x to bf16, gate and up also have this rounding error. gate and up are normally
            // distributed, with magnitudes below about 4.
            boolean rounds = lab.target().rounds(dtype, wDtype);
            lab.expect("y of C " + c, expected[0], y, ParityTolerance.of(dtype, c).through(rounds ? DType.BF16 : dtype)
                    .magnitude(2 * largest(expected[1]) + (rounds ? 4 : 0)));
        }
    }

    private static double largest(float[] values) {
        double largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }
}
