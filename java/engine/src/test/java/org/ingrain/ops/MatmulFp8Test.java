package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import org.ingrain.ffi.Emulator;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Products with fp8 weights (matmul.cu, matmul_backward.cu, matmul_silu_mul.cu) on the backends that support them,
 * compared with libtorch on the decoded weights. For up to 64 rows, the activations stay bf16. For more rows, the op
 * quantizes the activations to fp8 with one scale per row if N and C are multiples of 16. The reference quantizes them
 * in the same way. The tensor core may then accumulate with only 14 bits of mantissa. So the tolerance is as large as
 * the error of rounding the largest result to bf16.
 */
class MatmulFp8Test {
    private static final int[][] SIZES = {{1, 65, 1296}, {3, 16, 64}, {8, 40, 272}, {15, 72, 1040}, {16, 7688, 16},
            {5, 33, 127}, {17, 32, 48}, {40, 80, 144}, {20, 33, 64}, {33, 257, 2064}, {64, 300, 144},
            {24, 1030, 3600}, {18, 33900, 144}, {70, 80, 144}, {130, 48, 304}, {70, 33, 64}};  // T, N, C

    /** A weight that the backend packed, and the same weight packed by the test. */
    private record Packed(Weight weight, Fp8.Scaled scaled) {
    }

    static List<TestTarget> targets() {
        return TestTarget.available();
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void pack(TestTarget target) {
        try (ParityCheck lab = target.open("MatmulFp8Test pack")) {
            for (DType source : List.of(DType.F32, DType.BF16, DType.F16)) {
                for (int columns : new int[] {1, 33, 64, 4096}) {
                    float[] values = lab.normal(3, DType.F32, 9, columns).values();
                    java.util.Arrays.fill(values, 2 * columns, 3 * columns, 0);
                    values[0] = -1e-30f;
                    ParityCheck.Data data = lab.data(source, values, 9, columns);
                    Weight w = weight(lab, data);
                    var expected = Fp8.Scaled.of(data.values(), 9);
                    assertArrayEquals(expected.scales(), lab.floats(w.scales()), "scales");
                    assertArrayEquals(expected.codes(), lab.bytes(w.data()), "codes");
                }
            }
        }
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void forward(TestTarget target) {
        try (ParityCheck lab = target.open("MatmulFp8Test forward")) {
            for (int[] size : SIZES) {
                forward(lab, size);
            }
            lab.assertGuards();
        }
    }

    /** Products with T, N and C of {@code size}. */
    static void forward(ParityCheck lab, int... size) {
        each(lab, size, MatmulFp8Test::forward);
    }

    /** Compares one product. */
    private interface Product {
        void compare(ParityCheck lab, int t, Packed w, DType dtype, float beta);
    }

    private static void each(ParityCheck lab, int[] size, Product product) {
        ParityCheck.Data w = lab.normal(DType.BF16, size[1], size[2]);
        Packed packed = new Packed(weight(lab, w), Fp8.Scaled.of(w.values(), size[1]));
        for (DType dtype : ParityTest.FLOATS) {
            for (float beta : new float[] {0, 1}) {
                product.compare(lab, size[0], packed, dtype, beta);
            }
        }
    }

    private static void forward(ParityCheck lab, int t, Packed w, DType yDtype, float beta) {
        int n = Math.toIntExact(w.weight().rows());
        int c = Math.toIntExact(w.weight().columns());
        ParityCheck.Data x = lab.normal(DType.BF16, t, c);
        ParityCheck.Data before = lab.normal(yDtype, t, n);
        Tensor y = beta == 0 ? lab.output(yDtype, t, n) : before.tensor();
        lab.ops().matmul(y, x.tensor(), w.weight(), beta);
        float[] activations = quantized(t, n, c) ? Fp8.Scaled.of(x.values(), t).values() : x.values();
        float[] expected = lab.reference(torch -> Torch.floats(torch.array(activations, t, c)
                .matMul(torch.array(w.scaled().values(), n, c).transpose())
                .add(torch.array(before.values(), t, n).mul(beta))));
        lab.expect("y of T " + t + " C " + c + " beta " + beta, expected, y, tolerance(yDtype, t, n, c));
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void partial(TestTarget target) {
        try (ParityCheck lab = target.open("MatmulFp8Test partial")) {
            int n = 48;
            int c = 256;
            int chunk = 64;
            ParityCheck.Data w = lab.normal(DType.BF16, n, c);
            Weight whole = weight(lab, w);
            var chunked = new Weight(java.lang.foreign.Arena.ofAuto(), whole.format(), whole.data(), whole.scales(), n,
                    c, chunk);
            float[] weights = Fp8.Scaled.of(w.values(), n).values();
            for (int t : new int[] {7, 20, 70}) {
                ParityCheck.Data x = lab.normal(DType.BF16, t, c);
                float[] activations = t > 64 ? Fp8.Scaled.of(x.values(), t).values() : x.values();
                Tensor partials = lab.output(DType.F32, c / chunk, t, n);
                lab.ops().matmulPartial(partials, x.tensor(), chunked);
                for (int i = 0; i < c / chunk; i++) {
                    int begin = i * chunk;
                    float[] expected = lab.reference(torch ->
                            Torch.floats(Torch.columns(torch.array(activations, t, c), begin, begin + chunk)
                            .matMul(Torch.columns(torch.array(weights, n, c), begin, begin + chunk).transpose())));
                    lab.expect("partials of chunk " + i, expected, partials.rows(i, i + 1),
                            tolerance(DType.F32, t, n, chunk));
                }
            }
            lab.assertGuards();
        }
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void backward(TestTarget target) {
        try (ParityCheck lab = target.open("MatmulFp8Test backward")) {
            for (int[] size : SIZES) {
                each(lab, size, MatmulFp8Test::backward);
            }
            lab.assertGuards();
        }
    }

    /** The op multiplies dy by the scales of W's rows before it quantizes dy to fp8. */
    private static void backward(ParityCheck lab, int t, Packed w, DType dxDtype, float beta) {
        int n = Math.toIntExact(w.weight().rows());
        int c = Math.toIntExact(w.weight().columns());
        ParityCheck.Data dy = lab.normal(DType.BF16, t, n);
        ParityCheck.Data before = lab.normal(dxDtype, t, c);
        Tensor dx = beta == 0 ? lab.output(dxDtype, t, c) : before.tensor();
        lab.ops().matmulBackward(dx, dy.tensor(), w.weight(), beta);
        boolean library = n % 16 == 0 && c % 16 == 0;
        float[] gradients = new float[t * n];
        for (int i = 0; i < gradients.length; i++) {
            gradients[i] = dy.values()[i] * w.scaled().scales()[i % n];
        }
        float[] seen = library ? Fp8.Scaled.of(gradients, t).values() : gradients;
        float[] codes = new float[n * c];
        for (int i = 0; i < codes.length; i++) {
            codes[i] = Fp8.decode(w.scaled().codes()[i]);
        }
        float[] expected = lab.reference(torch -> Torch.floats(torch.array(seen, t, n).matMul(torch.array(codes, n, c))
                .add(torch.array(before.values(), t, c).mul(beta))));
        ParityTolerance tight = ParityTolerance.of(dxDtype, n);
        lab.expect("dx of N " + n + " beta " + beta, expected, dx, library ? tight.through(DType.BF16) : tight);
    }

    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void siluMul(TestTarget target) {
        try (ParityCheck lab = target.open("MatmulFp8Test siluMul")) {
            for (int[] size : new int[][] {{1, 65, 1296}, {7, 40, 272}, {16, 33, 64}, {20, 32, 64}, {40, 200, 528},
                    {64, 5, 1296}, {70, 32, 64}}) {
                int t = size[0];
                int f = size[1];
                int c = size[2];
                ParityCheck.Data x = lab.normal(1 / Math.sqrt(c), DType.BF16, t, c);
                ParityCheck.Data w = lab.normal(DType.BF16, 2L * f, c);
                Tensor y = lab.output(DType.BF16, t, f);
                lab.ops().fused().matmulSiluMul(y, lab.output(DType.BF16, t, 2L * f), x.tensor(), weight(lab, w));
                float[] activations = quantized(t, 2 * f, c) ? Fp8.Scaled.of(x.values(), t).values() : x.values();
                float[] expected = lab.reference(torch -> {
                    var gateUp = torch.array(activations, t, c)
                            .matMul(torch.array(Fp8.Scaled.of(w.values(), 2 * f).values(), 2L * f, c).transpose());
                    var gate = Torch.columns(gateUp, 0, f);
                    return Torch.floats(gate.mul(torch.sigmoid(gate)).mul(Torch.columns(gateUp, f, 2L * f)));
                });
                lab.expect("y of T " + t, expected, y, ParityTolerance.of(DType.BF16, c).through(DType.BF16)
                        .magnitude(2));
            }
            lab.assertGuards();
        }
    }

    private static boolean quantized(int t, int n, int c) {
        return t > 64 && n % 16 == 0 && c % 16 == 0;
    }

    /**
     * Devices before sm_89 cannot multiply fp8 values. With more than 64 rows, and for dX, the weight is then converted
     * to bf16.
     */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void devicesWithoutFp8TensorCores(TestTarget target) {
        assumeTrue(target.emulated(), "only the emulated GPU can be an older device");
        Emulator.setCapability(80);
        try (ParityCheck lab = target.open("MatmulFp8Test older")) {
            int n = 80;
            int c = 144;
            ParityCheck.Data source = lab.normal(DType.BF16, n, c);
            Weight w = weight(lab, source);
            float[] weights = Fp8.Scaled.of(source.values(), n).values();
            for (int t : new int[] {3, 40, 70}) {
                ParityCheck.Data x = lab.normal(DType.BF16, t, c);
                ParityCheck.Data dy = lab.normal(DType.BF16, t, n);
                Tensor y = lab.output(DType.F32, t, n);
                Tensor dx = lab.output(DType.F32, t, c);
                lab.ops().matmul(y, x.tensor(), w, 0);
                lab.ops().matmulBackward(dx, dy.tensor(), w, 0);
                float[][] expected = lab.reference(torch -> {
                    var elements = torch.array(weights, n, c);
                    return new float[][] {Torch.floats(torch.array(x.values(), t, c).matMul(elements.transpose())),
                            Torch.floats(torch.array(dy.values(), t, n).matMul(elements))};
                });
                ParityTolerance tight = ParityTolerance.of(DType.F32, c);
                lab.expect("y of T " + t, expected[0], y, t > 64 ? tight.through(DType.BF16) : tight);
                lab.expect("dx of T " + t, expected[1], dx, tight.through(DType.BF16));
            }
            lab.assertGuards();
        } finally {
            Emulator.setCapability(90);
        }
    }

    /** A row has the same bits in a batch with 16 other rows as in a batch with 63. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void neighboursDoNotMatter(TestTarget target) {
        try (ParityCheck lab = target.open("MatmulFp8Test neighbours")) {
            Weight w = weight(lab, lab.normal(DType.BF16, 300, 1296));
            Tensor x = lab.normal(DType.BF16, 64, 1296).tensor();
            Tensor all = lab.output(DType.F32, 64, 300);
            lab.ops().matmul(all, x, w);
            for (int rows : new int[] {17, 32, 33, 40, 63}) {
                Tensor some = lab.output(DType.F32, rows, 300);
                lab.ops().matmul(some, x.rows(64 - rows, 64), w);
                assertArrayEquals(lab.floats(all.rows(64 - rows, 64)), lab.floats(some), rows + " rows");
            }
            lab.assertGuards();
        }
    }

    private static ParityTolerance tolerance(DType yDtype, int t, int n, int c) {
        ParityTolerance tight = ParityTolerance.of(yDtype, c);
        return quantized(t, n, c) ? tight.through(DType.BF16) : tight;
    }

    /** The source packed as an fp8 weight; aborts the test if the backend does not support fp8. */
    private static Weight weight(ParityCheck lab, ParityCheck.Data source) {
        Weight w = lab.context().weight(DType.F8E4M3, Weight.Layout.ROW_MAJOR, source.tensor().size(0),
                source.tensor().size(1), 0);
        try {
            lab.ops().pack(w, source.tensor(), 0);
        } catch (BackendException e) {
            System.out.println("Skipped: fp8 weights on " + lab.target() + ": " + e.getMessage());
            abort(e.getMessage());
        }
        return w;
    }
}
