package org.ingrain.ops;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** matmul.cc. */
class MatmulParityTest extends ParityTest {
    // T, N, C
    private static final List<int[]> SIZES = sizes(
            1, 1, 1, 1, 127, 4099, 7, 33, 127, 127, 64, 65, 5, 4096, 7, 33, 96, 128);
    /**
     * Sizes of products whose rows have a multiple of 16 bytes, because GPUs have special kernels for such rows. The
     * list contains products of few rows with narrow and with wide weights, and products of many rows.
     */
    private static final List<int[]> PIECES = sizes(
            1, 65, 1288, 8, 40, 264, 15, 72, 2056, 5, 7696, 40, 16, 7688, 24, 17, 24, 48, 65, 136, 264);
    // T, N, C, chunk
    private static final int[][] CHUNKED = {{1, 7, 8, 2}, {7, 33, 128, 16}, {127, 16, 336, 42}, {3, 65, 64, 64},
            {2, 40, 256, 32}, {16, 24, 192, 24},
        {24, 72, 256, 64}};

    private static List<int[]> sizes(int... flat) {
        return IntStream.range(0, flat.length / 3).mapToObj(i -> Arrays.copyOfRange(flat, 3 * i, 3 * i + 3)).toList();
    }

    /**
     * The tested sizes: {@link #SIZES} and, for bf16, also {@link #PIECES}. Products of other dtypes do not use the
     * matrix unit. With packed weights, an emulated GPU tests only two sizes, because a GPU stores both layouts in the
     * same way.
     */
    private static List<int[]> sizes(ParityCheck lab, Weight.Layout layout, DType x, DType w) {
        if (lab.target().emulated() && layout == Weight.Layout.PACKED) {
            return sizes(7, 33, 127, 8, 40, 264);
        }
        return sizes(x, w);
    }

    private static List<int[]> sizes(DType x, DType w) {
        return x == DType.BF16 && w == DType.BF16 ? Stream.of(SIZES, PIECES).flatMap(List::stream).toList() : SIZES;
    }

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>(eachFloat("matmul_weight_backward", MatmulParityTest::weightBackward));
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (DType x : FLOATS) {
                for (DType w : FLOATS) {
                    String variant = x + " by " + w + " " + layout;
                    checks.add(new Check("matmul_forward", variant, lab -> forward(lab, layout, x, w)));
                    checks.add(new Check("matmul_forward", variant + ", added", lab -> added(lab, layout, x, w)));
                    checks.add(new Check("matmul_partial_forward", variant, lab -> partial(lab, layout, x, w)));
                    checks.add(new Check("matmul_backward", variant, lab -> backward(lab, layout, x, w)));
                }
            }
        }
        return checks;
    }

    /**
     * If the weight is bf16, the CPU's bf16 instructions round x (backward: dy) to bf16. Then each of the c terms of a
     * sum has this rounding error. The sum itself has magnitude √c.
     */
    private static ParityTolerance tolerance(ParityCheck lab, DType x, DType w, DType y, int c) {
        ParityTolerance plain = ParityTolerance.of(y, c);
        return lab.target().rounds(x, w) ? plain.through(DType.BF16).magnitude(Math.sqrt(c)) : plain;
    }

    private static void forward(ParityCheck lab, Weight.Layout layout, DType xDtype, DType wDtype) {
        for (int[] size : sizes(lab, layout, xDtype, wDtype)) {
            int t = size[0];
            int n = size[1];
            int c = size[2];
            ParityCheck.Data x = lab.normal(xDtype, t, c);
            ParityCheck.Data w = lab.normal(wDtype, n, c);
            Weight weight = lab.weight(w, layout, 0);
            float[] expected = lab.reference(torch -> Torch.floats(
                    torch.array(x.values(), t, c).matMul(torch.array(w.values(), n, c).transpose())));
            for (DType yDtype : FLOATS) {
                Tensor y = lab.output(yDtype, t, n);
                lab.ops().matmul(y, x.tensor(), weight);
                lab.expect("y of C " + c, expected, y, tolerance(lab, xDtype, wDtype, yDtype, c));
            }
        }
    }

    /** Checks products that are added to beta·y, with one sum over all columns and with eight partial sums. */
    private static void added(ParityCheck lab, Weight.Layout layout, DType xDtype, DType wDtype) {
        for (int[] size : sizes(lab, layout, xDtype, wDtype)) {
            int t = size[0];
            int n = size[1];
            int c = size[2];
            ParityCheck.Data x = lab.normal(xDtype, t, c);
            ParityCheck.Data w = lab.normal(wDtype, n, c);
            Weight weight = lab.weight(w, layout, c % 16 == 0 ? c / 8 : 0);
            for (DType yDtype : FLOATS) {
                for (float beta : new float[] {1, -0.5f}) {
                    ParityCheck.Data y = lab.normal(yDtype, t, n);
                    float[] expected = lab.reference(torch -> Torch.floats(torch.array(x.values(), t, c)
                            .matMul(torch.array(w.values(), n, c).transpose())
                            .add(torch.array(y.values(), t, n).mul(beta))));
                    lab.ops().matmul(y.tensor(), x.tensor(), weight, beta);
                    lab.expect("y of C " + c + " beta " + beta, expected, y.tensor(),
                            lab.added(tolerance(lab, xDtype, wDtype, yDtype, c), yDtype, beta));
                }
            }
        }
    }

    /** Compares the partial sum of each chunk with the product of this chunk's columns of x and W. */
    private static void partial(ParityCheck lab, Weight.Layout layout, DType xDtype, DType wDtype) {
        for (int[] size : CHUNKED) {
            int t = size[0];
            int n = size[1];
            int c = size[2];
            int chunk = size[3];
            ParityCheck.Data x = lab.normal(xDtype, t, c);
            ParityCheck.Data w = lab.normal(wDtype, n, c);
            Tensor partials = lab.output(DType.F32, c / chunk, t, n);
            lab.ops().matmulPartial(partials, x.tensor(), lab.weight(w, layout, chunk));
            for (int i = 0; i < c / chunk; i++) {
                int begin = i * chunk;
                float[] expected = lab.reference(torch -> Torch.floats(
                        Torch.columns(torch.array(x.values(), t, c), begin, begin + chunk)
                        .matMul(Torch.columns(torch.array(w.values(), n, c), begin, begin + chunk).transpose())));
                lab.expect("chunk " + i, expected, partials.rows(i, i + 1),
                        tolerance(lab, x.tensor().dtype(), w.tensor().dtype(), DType.F32, chunk));
            }
        }
    }

    private static void backward(ParityCheck lab, Weight.Layout layout, DType dyDtype, DType wDtype) {
        for (int[] size : sizes(lab, layout, dyDtype, wDtype)) {
            ParityCheck.Data w = lab.normal(wDtype, size[1], size[2]);
            Weight weight = lab.weight(w, layout, 0);
            for (DType dxDtype : FLOATS) {
                for (float beta : new float[] {0, 1, -0.5f}) {
                    backward(lab, lab.normal(dyDtype, size[0], size[1]), w, weight, dxDtype, beta);
                }
            }
        }
    }

    /** With beta 0 the op must not read dx, so dx is NaN before the op. */
    private static void backward(ParityCheck lab, ParityCheck.Data dy, ParityCheck.Data w, Weight weight, DType dxDtype,
            float beta) {
        int t = Math.toIntExact(dy.tensor().size(0));
        int n = Math.toIntExact(weight.rows());
        int c = Math.toIntExact(weight.columns());
        ParityCheck.Data before = lab.normal(dxDtype, t, c);
        Tensor dx = beta == 0 ? lab.output(dxDtype, t, c) : before.tensor();
        lab.ops().matmulBackward(dx, dy.tensor(), weight, beta);
        float[] expected = lab.reference(torch -> {
            var x = torch.leaf(new float[t * c], t, c);
            var columns = torch.array(w.values(), n, c).transpose();
            var gradient = torch.array(torch.gradients(() -> x.matMul(columns), dy.values(), x)[0], t, c);
            return Torch.floats(gradient.add(torch.array(before.values(), t, c).mul(beta)));
        });
        lab.expect("dx of N " + n + " beta " + beta, expected, dx,
                lab.added(tolerance(lab, dy.tensor().dtype(), w.tensor().dtype(), dxDtype, n), dxDtype, beta));
    }

    private static void weightBackward(ParityCheck lab, DType dtype) {
        for (int[] size : sizes(dtype, dtype)) {
            int t = size[0];
            int n = size[1];
            int c = Math.min(size[2], 515);
            ParityCheck.Data x = lab.normal(dtype, t, c);
            ParityCheck.Data dy = lab.normal(dtype, t, n);
            ParityCheck.Data dw = lab.normal(DType.F32, n, c);
            lab.ops().matmulWeightBackward(dw.tensor(), dy.tensor(), x.tensor());
            float[] gradient = lab.reference(torch -> {
                var w = torch.leaf(new float[n * c], n, c);
                var in = torch.array(x.values(), t, c);
                return torch.gradients(() -> in.matMul(w.transpose()), dy.values(), w)[0];
            });
            lab.expect("dw of T " + t, Floats.sum(dw.values(), gradient), dw.tensor(),
                    ParityTolerance.of(DType.F32, t));
        }
    }
}
