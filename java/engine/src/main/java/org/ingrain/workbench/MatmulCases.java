package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ops.FusedOps;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Cases of matmul.cc, matmul_backward.cc, matmul_silu_mul.cc, norm_matmul.cc and pack.cc. The built-in op packs the
 * weights.
 */
final class MatmulCases {
    private MatmulCases() {
    }

    static void addTo(Cases cases) {
        int rows = cases.scale().matmulRows();
        int wide = cases.scale().width(4096);
        // T, N, C, packed, beta
        int[][] sizes = {{1, 1, 1, 1, 0}, {7, 127, 33, 1, 1}, {16, 64, 4096, 1, 0}, {127, 48, 515, 0, 1},
                {1, 4099, 64, 0, 0}};
        int[][] timed = {{1, wide, wide, 1, 0}, {rows, wide, wide, 1, 0}};
        cases.add("matmul_forward", "T N C packed beta", sizes, timed, Cases.FLOATS, MatmulCases::forward);
        cases.add("matmul_partial_forward", "T N C chunk",
                new int[][] {{1, 1, 2, 2}, {7, 127, 32, 4}, {33, 64, 1024, 128}},
                new int[][] {{1, wide, wide, wide / 8}, {rows, wide, wide, wide / 8}}, Cases.FLOATS,
                MatmulCases::partial);
        cases.add("matmul_backward", "T N C packed beta", sizes, Cases.at(rows, wide, wide, 1, 0), Cases.FLOATS,
                MatmulCases::backward);
        cases.add("matmul_weight_backward", "T N C", new int[][] {{1, 1, 1}, {7, 127, 33}, {127, 48, 515}},
                Cases.at(rows, wide, wide), Cases.FLOATS, MatmulCases::weightBackward);
        int gated = cases.scale().width(11008);
        cases.add("matmul_silu_mul_forward", "T F C",
                new int[][] {{1, 1, 1}, {7, 127, 33}, {16, 64, 4096}, {127, 48, 515}},
                new int[][] {{1, gated, wide}, {rows, gated, wide}}, Cases.FLOATS, MatmulCases::siluMul);
        cases.add("norm_matmul_forward", "T N C",
                new int[][] {{1, 1, 1}, {7, 127, 33}, {3, 64, 4096}, {127, 48, 515}},
                new int[][] {{1, wide, wide}, {rows, wide, wide}}, Cases.FLOATS, MatmulCases::normed);
        cases.add("norm_matmul_silu_mul_forward", "T F C",
                new int[][] {{1, 1, 1}, {7, 127, 33}, {3, 64, 4096}, {127, 48, 515}},
                new int[][] {{1, gated, wide}, {rows, gated, wide}}, Cases.FLOATS, MatmulCases::normedSiluMul);
        cases.add("pack", "N C packed bf16 f16", new int[][] {{1, 1, 0, 0, 0}, {33, 127, 1, 0, 0}, {65, 64, 1, 1, 0},
                {7, 33, 0, 0, 1}}, Cases.at(wide, wide, 1, 0, 1), Cases.FLOATS, MatmulCases::pack);
        cases.add("pack_quantized", "N C packed zeros", new int[][] {{1, 1, 0, 0}, {33, 127, 1, 1}, {5, 200, 0, 1}},
                Cases.at(wide, wide, 1, 0), Cases.FLOATS, MatmulCases::packQuantized);
    }

    private static Weight.Layout layout(Case at) {
        return at.has("packed") ? Weight.Layout.PACKED : Weight.Layout.ROW_MAJOR;
    }

    private static Call forward(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        int c = at.get("C");
        Tensor x = side.normal(at.dtype(), t, c);
        Weight w = side.weight(at.dtype(), layout(at), n, c, 0);
        Tensor y = at.has("beta") ? side.normal(at.dtype(), t, n) : side.output(at.dtype(), t, n);
        float beta = at.has("beta") ? 0.5f : 0;
        return Call.of(() -> side.ops().matmul(y, x, w, beta), bytes(y, x, w.data()), 2.0 * t * n * c,
                output("y", y, Tolerance.of(at.dtype(), c)));
    }

    private static Call partial(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        int c = at.get("C");
        Tensor x = side.normal(at.dtype(), t, c);
        Weight w = side.weight(at.dtype(), Weight.Layout.PACKED, n, c, at.get("chunk"));
        Tensor partials = side.output(DType.F32, c / at.get("chunk"), t, n);
        return Call.of(() -> side.ops().matmulPartial(partials, x, w), bytes(partials, x, w.data()), 2.0 * t * n * c,
                output("partials", partials, Tolerance.of(DType.F32, at.get("chunk"))));
    }

    private static Call backward(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        int c = at.get("C");
        Tensor dy = side.normal(at.dtype(), t, n);
        Weight w = side.weight(at.dtype(), layout(at), n, c, 0);
        Tensor dx = at.has("beta") ? side.normal(at.dtype(), t, c) : side.output(at.dtype(), t, c);
        float beta = at.has("beta") ? 1 : 0;
        return Call.of(() -> side.ops().matmulBackward(dx, dy, w, beta), bytes(dx, dy, w.data()), 2.0 * t * n * c,
                output("dx", dx, Tolerance.of(at.dtype(), n)));
    }

    private static Call weightBackward(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        int c = at.get("C");
        Tensor dy = side.normal(at.dtype(), t, n);
        Tensor x = side.normal(at.dtype(), t, c);
        Tensor dw = side.normal(DType.F32, n, c);
        return Call.of(() -> side.ops().matmulWeightBackward(dw, dy, x), bytes(dw, dw, dy, x), 2.0 * t * n * c,
                output("dw", dw, Tolerance.of(DType.F32, t)));
    }

    /**
     * The header leaves the content of the scratch memory {@code gate_up} undefined, so this content is not compared.
     * The op may round the gate values and the up values to the dtype.
     */
    private static Call siluMul(Side side, Case at) {
        int t = at.get("T");
        int f = at.get("F");
        int c = at.get("C");
        Tensor x = side.values(i -> side.random().nextGaussian() / Math.sqrt(c), at.dtype(), t, c);
        Weight w = side.weight(at.dtype(), Weight.Layout.PACKED, 2L * f, c, 0);
        Tensor gateUp = side.output(at.dtype(), t, 2L * f);
        Tensor y = side.output(at.dtype(), t, f);
        return new Call(() -> side.ops().fused().matmulSiluMul(y, gateUp, x, w), () -> { }, List.of(output("y", y,
                Tolerance.of(at.dtype(), c).through(at.dtype()).magnitude(4))), bytes(y, x, w.data()), 4.0 * t * f * c);
    }

    /** Normalised rows. Their products with a weight of standard deviation 1 also have standard deviation 1. */
    private static FusedOps.Normed rows(Side side, Case at) {
        int t = at.get("T");
        int c = at.get("C");
        return new FusedOps.Normed(side.output(at.dtype(), t, c), side.normal(at.dtype(), t, c),
                side.values(i -> side.random().nextGaussian() / Math.sqrt(c), at.dtype(), c), 1e-5f);
    }

    /** The op may round the normalised rows to the dtype. */
    private static Call normed(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        FusedOps.Normed rows = rows(side, at);
        Weight w = side.weight(at.dtype(), Weight.Layout.PACKED, n, at.get("C"), 0);
        Tensor y = side.output(at.dtype(), t, n);
        return Call.of(() -> side.ops().fused().normMatmul(y, rows, w), bytes(y, rows.h(), rows.w(), w.data()),
                2.0 * t * n * at.get("C"), output("y", y, Tolerance.of(at.dtype(), at.get("C")).through(at.dtype())
                        .magnitude(4)));
    }

    /** The tolerance allows the roundings of norm_matmul and those of matmul_silu_mul. */
    private static Call normedSiluMul(Side side, Case at) {
        int t = at.get("T");
        int f = at.get("F");
        FusedOps.Normed rows = rows(side, at);
        Weight w = side.weight(at.dtype(), Weight.Layout.PACKED, 2L * f, at.get("C"), 0);
        Tensor gateUp = side.output(at.dtype(), t, 2L * f);
        Tensor y = side.output(at.dtype(), t, f);
        return Call.of(() -> side.ops().fused().normMatmulSiluMul(y, gateUp, rows, w),
                bytes(y, rows.h(), rows.w(), w.data()), 4.0 * t * f * at.get("C"), output("y", y,
                        Tolerance.of(at.dtype(), at.get("C")).through(at.dtype()).magnitude(8)));
    }

    /**
     * Creates a call whose output is a packed weight. The built-in op multiplies the identity matrix by this weight,
     * and the product is compared.
     */
    private static Call pack(Side side, Case at) {
        int n = at.get("N");
        int c = at.get("C");
        Tensor source = side.normal(at.has("bf16") ? DType.BF16 : at.has("f16") ? DType.F16 : DType.F32, n, c);
        Weight w = side.context().weight(at.dtype(), layout(at), n, c, 0);
        boolean small = (long) c * n < 1 << 16;
        Tensor identity = side.values(i -> i / c == i % c ? 1 : 0, at.dtype(), small ? c : 0, c);
        Tensor rows = side.output(at.dtype(), small ? c : 0, n);
        return new Call(() -> side.ops().pack(w, source, 0), () -> side.builtIn().matmul(rows, identity, w),
                List.of(output("w", rows, Tolerance.exact())), bytes(source, w.data()), 0);
    }

    /** Creates a call whose output is an INT4 weight. The built-in embedding reads the rows of this weight. */
    private static Call packQuantized(Side side, Case at) {
        int n = at.get("N");
        int c = at.get("C");
        int groups = Math.ceilDiv(c, 64);
        Tensor values = side.values(i -> side.random().nextInt(-128, 128), DType.INT8, n, Math.ceilDiv(c, 2));
        Tensor scales = side.normal(DType.F16, n, groups);
        Tensor zeros = side.values(i -> side.random().nextInt(16), DType.INT8, n, groups);
        Weight w = side.context().weight(new Weight.Format(DType.INT4, layout(at), 64, at.has("zeros")), n, c, 0);
        int read = (long) c * n < 1 << 16 ? n : 0;
        Tensor rows = side.output(at.dtype(), read, c);
        Tensor ids = side.ints(IntStream.range(0, read).toArray());
        return new Call(() -> side.ops().packQuantized(w, values, scales, zeros, 0),
                () -> side.builtIn().embedding(rows, ids, w), List.of(output("w", rows, Tolerance.exact())),
                bytes(values, scales, w.data()), 0);
    }
}
