package org.ingrain.ops;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ops.FusedOps.Normed;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** norm_matmul.cc. */
class NormMatmulParityTest extends ParityTest {
    private static final float EPS = 1e-5f;
    /**
     * T, N, C; N is even. The first four sizes are irregular. The others have rows with a multiple of 16 bytes. For up
     * to four such rows of up to 8192 columns, GPUs normalise the rows in the product.
     */
    private static final int[][] SIZES = {{1, 2, 1}, {1, 66, 1031}, {7, 34, 127}, {33, 64, 65}, {1, 66, 1288},
            {2, 70, 4096}, {3, 34, 264}, {4, 98, 2056}, {1, 34, 8192}, {2, 34, 8200}, {5, 48, 520}, {20, 32, 64}};

    /** Rows for a product with a weight, and their weight. All products are of magnitude 1. */
    record Inputs(ParityCheck.Data h, ParityCheck.Data norm, ParityCheck.Data w) {
        static Inputs of(ParityCheck lab, DType dtype, DType wDtype, int[] size) {
            return new Inputs(lab.normal(dtype, size[0], size[2]),
                    lab.normal(1 / Math.sqrt(size[2]), dtype, size[2]), lab.normal(wDtype, size[1], size[2]));
        }

        Normed rows(ParityCheck lab) {
            Tensor rows = h.tensor();
            return new Normed(lab.output(rows.dtype(), rows.size(0), rows.size(1)), rows, norm.tensor(), EPS);
        }

        /** (T, N) in libtorch. */
        NDArray product(Torch torch) {
            long n = w.tensor().size(0);
            long c = w.tensor().size(1);
            NDArray in = torch.array(h.values(), h.tensor().size(0), c);
            NDArray x = in.div(in.square().mean(new int[] {-1}, true).add(EPS).sqrt());
            return x.mul(torch.array(norm.values(), c)).matMul(torch.array(w.values(), n, c).transpose());
        }
    }

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (DType dtype : FLOATS) {
                for (DType w : FLOATS) {
                    String variant = dtype + " by " + w + " " + layout;
                    checks.add(new Check("norm_matmul_forward", variant, lab -> product(lab, layout, dtype, w)));
                    checks.add(new Check("norm_matmul_silu_mul_forward", variant,
                            lab -> gated(lab, layout, dtype, w)));
                }
            }
        }
        return checks;
    }

    static int[][] sizes() {
        return SIZES;
    }

    /** The normalised rows are rounded to their dtype before the product, and by some CPUs to bf16. */
    private static ParityTolerance tolerance(ParityCheck lab, DType dtype, DType wDtype, int c) {
        return ParityTolerance.of(dtype, c).through(lab.target().rounds(dtype, wDtype) ? DType.BF16 : dtype);
    }

    private static void product(ParityCheck lab, Weight.Layout layout, DType dtype, DType wDtype) {
        for (int[] size : SIZES) {
            Inputs in = Inputs.of(lab, dtype, wDtype, size);
            Tensor y = lab.output(dtype, size[0], size[1]);
            lab.ops().fused().normMatmul(y, in.rows(lab), lab.weight(in.w, layout, 0));
            float[] expected = lab.reference(torch -> Torch.floats(in.product(torch)));
            lab.expect("y of C " + size[2], expected, y, tolerance(lab, dtype, wDtype, size[2]).magnitude(4));
        }
    }

    /** An op may round gate and up to the dtype before it multiplies them, too. Both have magnitudes below about 4. */
    private static void gated(ParityCheck lab, Weight.Layout layout, DType dtype, DType wDtype) {
        for (int[] size : SIZES) {
            Inputs in = Inputs.of(lab, dtype, wDtype, size);
            long f = size[1] / 2;
            Tensor y = lab.output(dtype, size[0], f);
            lab.ops().fused().normMatmulSiluMul(y, lab.output(dtype, size[0], 2 * f), in.rows(lab),
                    lab.weight(in.w, layout, 0));
            float[][] expected = lab.reference(torch -> {
                NDArray gateUp = in.product(torch);
                NDArray gate = Torch.columns(gateUp, 0, f);
                NDArray up = Torch.columns(gateUp, f, 2 * f);
                return new float[][] {Torch.floats(gate.mul(torch.sigmoid(gate)).mul(up)), Torch.floats(gate.mul(up))};
            });
            lab.expect("y of C " + size[2], expected[0], y, tolerance(lab, dtype, wDtype, size[2])
                    .magnitude(4 + 2 * Floats.largest(expected[1])));
        }
    }
}
