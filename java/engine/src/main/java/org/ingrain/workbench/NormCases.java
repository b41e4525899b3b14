package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import org.ingrain.ops.Ops;
import org.ingrain.ops.QkNorm;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Cases of rms_norm.cc, qk_norm.cc, add_bias.cc and silu_mul.cc. */
final class NormCases {
    private static final float EPS = 1e-5f;

    private NormCases() {
    }

    static void addTo(Cases cases) {
        int rows = cases.scale().rows();
        int wide = cases.scale().width(4096);
        cases.add("rms_norm_forward", "T D rstd", new int[][] {{1, 1, 1}, {1, 4099, 1}, {7, 127, 0}, {127, 64, 1},
                {3, 4096, 0}}, Cases.at(rows, wide, 0), Cases.FLOATS, NormCases::forward);
        cases.add("add_rms_norm_forward", "T D alias",
                new int[][] {{1, 1, 0}, {1, 4099, 1}, {7, 127, 2}, {127, 64, 0}, {3, 4096, 1}}, Cases.at(rows, wide, 0),
                Cases.FLOATS, NormCases::addForward);
        cases.add("rms_norm_backward", "T D dresidual dw",
                new int[][] {{1, 2, 1, 1}, {1, 4099, 0, 1}, {7, 127, 1, 0}, {127, 64, 1, 1}, {3, 4096, 1, 1}},
                Cases.at(rows, wide, 1, 0), Cases.FLOATS, NormCases::backward);
        int[][] biased = {{1, 1}, {7, 127}, {129, 64}, {3, 4099}};
        cases.add("add_bias_forward", "T N", biased, Cases.at(rows, wide), Cases.FLOATS, NormCases::addBias);
        cases.add("add_bias_backward", "T N", biased, Cases.at(rows, wide), Cases.FLOATS, NormCases::addBiasBackward);
        int[][] heads = {{1, 1, 1, 2, 1}, {7, 4, 2, 18, 0}, {65, 6, 3, 48, 1}, {3, 32, 8, 128, 1}};
        cases.add("qk_norm_forward", "T H K E inplace", heads, Cases.at(rows, 32, 8, 128, 1), Cases.FLOATS,
                NormCases::qkNorm);
        cases.add("qk_norm_backward", "T H K E dw", heads, Cases.at(rows, 32, 8, 128, 0), Cases.FLOATS,
                NormCases::qkNormBackward);
        int[][] gated = {{1, 1}, {7, 127}, {127, 64}, {3, 4099}, {2, 11008}};
        cases.add("silu_mul_forward", "T F", gated, Cases.at(rows, cases.scale().width(11008)), Cases.FLOATS,
                NormCases::siluMul);
        cases.add("silu_mul_backward", "T F", gated, Cases.at(rows, cases.scale().width(11008)), Cases.FLOATS,
                NormCases::siluMulBackward);
    }

    private static Call forward(Side side, Case at) {
        int t = at.get("T");
        int d = at.get("D");
        Tensor x = side.normal(at.dtype(), t, d);
        Tensor w = side.normal(at.dtype(), d);
        Tensor y = side.output(at.dtype(), t, d);
        Tensor rstd = side.output(DType.F32, t);
        return Call.of(() -> side.ops().rmsNorm(y, at.has("rstd") ? rstd : null, x, w, EPS), bytes(y, x, w), 4.0 * t
                * d, output("y", y, Tolerance.of(at.dtype(), d)), output("rstd", rstd, Tolerance.of(DType.F32, d)));
    }

    private static Call addForward(Side side, Case at) {
        int t = at.get("T");
        int d = at.get("D");
        Tensor x = side.normal(at.dtype(), t, d);
        Tensor residual = side.normal(at.dtype(), t, d);
        Tensor w = side.normal(at.dtype(), d);
        Tensor y = side.output(at.dtype(), t, d);
        Tensor h = at.get("alias") == 0 ? side.output(at.dtype(), t, d) : at.get("alias") == 1 ? x : residual;
        Tensor rstd = side.output(DType.F32, t);
        return Call.of(() -> side.ops().addRmsNorm(y, h, rstd, x, residual, w, EPS), bytes(y, x, x, residual, w),
                5.0 * t * d, output("y", y, Tolerance.of(at.dtype(), d)), output("h", h, Tolerance.of(at.dtype(), 1)),
                output("rstd", rstd, Tolerance.of(DType.F32, d)));
    }

    private static Call backward(Side side, Case at) {
        int t = at.get("T");
        int d = at.get("D");
        Tensor x = side.normal(at.dtype(), t, d);
        Tensor w = side.normal(at.dtype(), d);
        Tensor dy = side.normal(at.dtype(), t, d);
        Tensor dresidual = at.has("dresidual") ? side.normal(at.dtype(), t, d) : null;
        Tensor dw = side.normal(DType.F32, d);
        Tensor rstd = side.constant(0.75, DType.F32, t);
        Tensor dx = side.output(at.dtype(), t, d);
        return Call.of(() -> side.ops().rmsNormBackward(dx, at.has("dw") ? dw : null, dy, dresidual, x, w, rstd),
                bytes(dx, dy, dresidual, x, w), 8.0 * t * d,
                output("dx", dx, Tolerance.of(at.dtype(), d).magnitude(16)),
                output("dw", dw, Tolerance.of(DType.F32, t).magnitude(16)));
    }

    private static Call addBias(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        Tensor y = side.normal(at.dtype(), t, n);
        Tensor b = side.normal(at.dtype(), n);
        return Call.of(() -> side.ops().addBias(y, b), bytes(y, y, b), (double) t * n,
                output("y", y, Tolerance.of(at.dtype(), 1)));
    }

    private static Call addBiasBackward(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        Tensor dy = side.normal(at.dtype(), t, n);
        Tensor db = side.normal(DType.F32, n);
        return Call.of(() -> side.ops().addBiasBackward(db, dy), bytes(dy, db), (double) t * n,
                output("db", db, Tolerance.of(DType.F32, t)));
    }

    private static Call qkNorm(Side side, Case at) {
        Ops.Heads heads = new Ops.Heads(at.get("H"), at.get("K"), at.get("E"), 1);
        int t = at.get("T");
        Tensor x = side.normal(at.dtype(), t, heads.columns());
        QkNorm w = new QkNorm(side.normal(at.dtype(), heads.e()), side.normal(at.dtype(), heads.e()));
        Tensor y = at.has("inplace") ? x : side.output(at.dtype(), t, heads.columns());
        Tensor rstd = side.output(DType.F32, t, heads.h() + heads.k());
        return Call.of(() -> side.ops().qkNorm(y, rstd, x, w, heads, EPS), bytes(y, x), 4.0 * x.elements(),
                output("y", y, Tolerance.of(at.dtype(), heads.e())),
                output("rstd", rstd, Tolerance.of(DType.F32, heads.e())));
    }

    private static Call qkNormBackward(Side side, Case at) {
        Ops.Heads heads = new Ops.Heads(at.get("H"), at.get("K"), at.get("E"), 1);
        int t = at.get("T");
        Tensor x = side.normal(at.dtype(), t, heads.columns());
        QkNorm w = new QkNorm(side.normal(at.dtype(), heads.e()), side.normal(at.dtype(), heads.e()));
        Tensor dx = side.normal(at.dtype(), t, heads.columns());
        Tensor rstd = side.constant(0.75, DType.F32, t, heads.h() + heads.k());
        Tensor dq = side.normal(DType.F32, heads.e());
        Tensor dk = side.normal(DType.F32, heads.e());
        QkNorm dw = at.has("dw") ? new QkNorm(dq, dk) : new QkNorm(null, null);
        return Call.of(() -> side.ops().qkNormBackward(dx, dw, x, w, rstd, heads), bytes(dx, dx, x),
                8.0 * x.elements(), output("dx", dx, Tolerance.of(at.dtype(), heads.e()).magnitude(16)),
                output("dq_norm", dq, Tolerance.of(DType.F32, t * heads.h()).magnitude(16)),
                output("dk_norm", dk, Tolerance.of(DType.F32, t * heads.k()).magnitude(16)));
    }

    private static Call siluMul(Side side, Case at) {
        int t = at.get("T");
        int f = at.get("F");
        Tensor gateUp = side.normal(at.dtype(), t, 2L * f);
        Tensor y = side.output(at.dtype(), t, f);
        return Call.of(() -> side.ops().siluMul(y, gateUp), bytes(y, gateUp), 4.0 * t * f,
                output("y", y, Tolerance.of(at.dtype(), 1)));
    }

    private static Call siluMulBackward(Side side, Case at) {
        int t = at.get("T");
        int f = at.get("F");
        Tensor gateUp = side.normal(at.dtype(), t, 2L * f);
        Tensor dy = side.normal(at.dtype(), t, f);
        Tensor dgateUp = side.output(at.dtype(), t, 2L * f);
        return Call.of(() -> side.ops().siluMulBackward(dgateUp, dy, gateUp), bytes(dgateUp, dy, gateUp), 8.0 * t * f,
                output("dgate_up", dgateUp, Tolerance.of(at.dtype(), 1).magnitude(8)));
    }
}
