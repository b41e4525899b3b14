package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** Products with INT8 and INT4 weights: matmul.cc, matmul_backward.cc, matmul_silu_mul.cc. */
class MatmulQuantizedParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1, 1}, {7, 33, 127}, {26, 24, 200}, {3, 40, 264}, {2, 300, 640},
            {11, 33, 256}, {40, 257, 384}, {64, 20, 256}};  // T, N, C
    private static final int[][] CHUNKED = {{3, 33, 256, 128}, {30, 24, 512, 128}};  // T, N, C, chunk

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (Weight.Format w : Quantized.formats(layout)) {
                for (DType x : FLOATS) {
                    String variant = x + " by " + w + " " + layout;
                    checks.add(new Check("matmul_forward", variant, lab -> forward(lab, w, x)));
                    checks.add(new Check("matmul_partial_forward", variant, lab -> partial(lab, w, x)));
                    checks.add(new Check("matmul_backward", variant, lab -> backward(lab, w, x)));
                    checks.add(new Check("matmul_silu_mul_forward", variant, lab -> siluMul(lab, w, x)));
                }
            }
        }
        return checks;
    }

    /**
     * The CPU rounds x to 8 bits in groups of 32 columns. The error of an element of x is at most max |x| / 254, and
     * its standard deviation is 1 / √3 of this maximum. A GPU instead rounds the elements of W to bf16. The errors of
     * the c terms of a sum are independent, so the error of the sum is √c·rms(W) times the error of an element. The
     * tolerance is four standard deviations, for rows of W whose rms is up to twice rms(W).
     */
    private static ParityTolerance tolerance(ParityCheck lab, float[] x, float[] w, DType y, int c) {
        double unit = lab.target().gpu() ? 0x1p-9 : 1.0 / 254;
        double magnitude = 4 / Math.sqrt(3) * Floats.largest(x) * 2 * rms(w) * Math.sqrt(c);
        return new ParityTolerance(ParityTolerance.of(y, c).unit(), c, unit, magnitude);
    }

    /**
     * The tolerance of a forward product. If x is bf16 and C is a multiple of 128, a GPU rounds neither x nor W.
     */
    private static ParityTolerance forward(ParityCheck lab, ParityCheck.Data x, float[] w, DType y, int c) {
        boolean exact = lab.target().gpu() && x.tensor().dtype() == DType.BF16 && c % 128 == 0;
        ParityTolerance rounded = tolerance(lab, x.values(), w, y, c);
        return exact ? ParityTolerance.of(y, c).magnitude(rounded.magnitude()) : rounded;
    }

    private static double rms(float[] values) {
        double squares = 0;
        for (float value : values) {
            squares += (double) value * value;
        }
        return Math.sqrt(squares / values.length);
    }

    static void forward(ParityCheck lab, Weight.Format format, DType xDtype) {
        for (int[] size : SIZES) {
            int t = size[0];
            int n = size[1];
            int c = size[2];
            ParityCheck.Data x = lab.normal(xDtype, t, c);
            Quantized w = Quantized.random(lab, format, n, c);
            float[] elements = w.elements();
            Weight weight = w.weight(lab, lab.trusted(), format.layout(), 0);
            float[] product = lab.reference(torch -> Torch.floats(
                    torch.array(x.values(), t, c).matMul(torch.array(elements, n, c).transpose())));
            for (DType yDtype : FLOATS) {
                for (float beta : new float[] {0, -0.5f}) {
                    ParityCheck.Data before = lab.normal(yDtype, t, n);
                    Tensor y = beta == 0 ? lab.output(yDtype, t, n) : before.tensor();
                    float[] expected = product.clone();
                    for (int i = 0; i < expected.length; i++) {
                        expected[i] += beta * before.values()[i];
                    }
                    lab.ops().matmul(y, x.tensor(), weight, beta);
                    lab.expect("y of C " + c + " beta " + beta, expected, y,
                            lab.added(forward(lab, x, elements, yDtype, c), yDtype, beta));
                }
            }
        }
    }

    private static void partial(ParityCheck lab, Weight.Format format, DType xDtype) {
        for (int[] size : CHUNKED) {
            int t = size[0];
            int n = size[1];
            int c = size[2];
            int chunk = size[3];
            ParityCheck.Data x = lab.normal(xDtype, t, c);
            Quantized w = Quantized.random(lab, format, n, c);
            float[] elements = w.elements();
            Tensor partials = lab.output(DType.F32, c / chunk, t, n);
            lab.ops().matmulPartial(partials, x.tensor(), w.weight(lab, lab.trusted(), format.layout(), chunk));
            for (int i = 0; i < c / chunk; i++) {
                int begin = i * chunk;
                float[] expected = lab.reference(torch -> Torch.floats(
                        Torch.columns(torch.array(x.values(), t, c), begin, begin + chunk)
                        .matMul(Torch.columns(torch.array(elements, n, c), begin, begin + chunk).transpose())));
                lab.expect("partials of chunk " + i, expected, partials.rows(i, i + 1),
                        forward(lab, x, elements, DType.F32, chunk));
            }
        }
    }

    /** The op does not round dy to 8 bits. If it multiplies in bf16, it rounds W to bf16. */
    private static void backward(ParityCheck lab, Weight.Format format, DType dyDtype) {
        for (int[] size : SIZES) {
            int t = size[0];
            int n = size[1];
            int c = size[2];
            ParityCheck.Data dy = lab.normal(dyDtype, t, n);
            Quantized w = Quantized.random(lab, format, n, c);
            float[] elements = w.elements();
            ParityCheck.Data before = lab.normal(dyDtype, t, c);
            float[] expected = lab.reference(torch -> Torch.floats(torch.array(dy.values(), t, n)
                    .matMul(torch.array(elements, n, c)).add(torch.array(before.values(), t, c).mul(0.5f))));
            lab.ops().matmulBackward(before.tensor(), dy.tensor(), w.weight(lab, lab.trusted(), format.layout(), 0),
                    0.5f);
            lab.expect("dx of N " + n, expected, before.tensor(),
                    lab.added(tolerance(lab, dy.values(), elements, dyDtype, n), dyDtype, 0.5f));
        }
    }

    private static void siluMul(ParityCheck lab, Weight.Format format, DType dtype) {
        siluMul(lab, format, dtype, new int[] {9, 20, 100});
        siluMul(lab, format, dtype, new int[] {9, 150, 256});
        siluMul(lab, format, dtype, new int[] {50, 20, 256});
    }

    private static void siluMul(ParityCheck lab, Weight.Format format, DType dtype, int[] size) {
        int t = size[0];
        int f = size[1];
        int c = size[2];
        Quantized w = Quantized.random(lab, format, 2 * f, c);
        float[] elements = w.elements();
        ParityCheck.Data x = lab.normal(0.5 / (Math.sqrt(c) * rms(elements)), dtype, t, c);
        Tensor gateUp = lab.output(dtype, t, 2L * f);
        Tensor y = lab.output(dtype, t, f);
        lab.ops().fused().matmulSiluMul(y, gateUp, x.tensor(), w.weight(lab, lab.trusted(), format.layout(), 0));
        float[][] expected = lab.reference(torch -> {
            var both = torch.array(x.values(), t, c).matMul(torch.array(elements, 2L * f, c).transpose());
            var gate = Torch.columns(both, 0, f);
            var up = Torch.columns(both, f, 2L * f);
            return new float[][] {Torch.floats(gate.mul(torch.sigmoid(gate)).mul(up)), Torch.floats(both)};
        });
        // gate and up each have the error of a product, and this error is multiplied by the other factor.
        ParityTolerance product = forward(lab, x, elements, dtype, c);
        double factor = 2 * Floats.largest(expected[1]);
        lab.expect("y of C " + c, expected[0], y, new ParityTolerance(product.unit(), c,
                product.inner() * product.magnitude() + product.unit() * factor / 2, factor));
    }
}
