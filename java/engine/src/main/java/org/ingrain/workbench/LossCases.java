package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import org.ingrain.ops.AdamW;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Cases of cross_entropy.cc and adamw.cc. */
final class LossCases {
    private static final int[][] LENGTHS = {{1}, {127}, {4099}, {100_003}};

    private LossCases() {
    }

    static void addTo(Cases cases) {
        int rows = Math.max(1, cases.scale().rows() / 4);
        int vocabulary = cases.scale().width(32000);
        int[][] sizes = {{1, 1, 1}, {7, 7, 0}, {127, 127, 1}, {3, 4099, 0}, {2, 32000, 1}};
        cases.add("cross_entropy_forward", "M V lse", sizes, Cases.at(rows, vocabulary, 1), Cases.F32,
                LossCases::forward);
        cases.add("cross_entropy_backward", "M V alias", sizes, Cases.at(rows, vocabulary, 0), Cases.FLOATS,
                LossCases::backward);
        int[][] large = Cases.at(cases.scale().rows() * cases.scale().width(8192));
        cases.add("gradient_norm", "n", LENGTHS, large, Cases.F32, LossCases::norm);
        cases.add("gradient_clip", "n far", new int[][] {{1, 1}, {127, 0}, {4099, 1}}, Cases.at(large[0][0], 0),
                Cases.F32, LossCases::clip);
        cases.add("adamw", "n", LENGTHS, large, Cases.F32, LossCases::adamw);
    }

    private static Call forward(Side side, Case at) {
        int m = at.get("M");
        int v = at.get("V");
        Tensor logits = side.normal(DType.F32, m, v);
        Tensor targets = side.randomInts(m, 0, v);
        Tensor loss = side.output(DType.F32, m);
        Tensor lse = side.output(DType.F32, m);
        Tolerance tolerance = Tolerance.of(DType.F32, v).magnitude(4);
        return Call.of(() -> side.ops().crossEntropy(loss, at.has("lse") ? lse : null, logits, targets), bytes(logits),
                4.0 * m * v, output("loss", loss, tolerance), output("lse", lse, tolerance));
    }

    private static Call backward(Side side, Case at) {
        int m = at.get("M");
        int v = at.get("V");
        Tensor logits = side.normal(DType.F32, m, v);
        Tensor targets = side.randomInts(m, 0, v);
        Tensor lse = side.constant(Math.log(v) + 0.5, DType.F32, m);
        Tensor dlogits = at.has("alias") && at.dtype() == DType.F32 ? logits : side.output(at.dtype(), m, v);
        return Call.of(() -> side.ops().crossEntropyBackward(dlogits, logits, lse, targets, 0.37f),
                bytes(logits, dlogits), 4.0 * m * v, output(
                        "dlogits", dlogits, Tolerance.of(at.dtype(), 1).magnitude(4)));
    }

    private static Call norm(Side side, Case at) {
        Tensor x = side.normal(DType.F32, at.get("n"));
        Tensor norm = side.output(DType.F32, 1);
        return Call.of(() -> side.ops().gradientNorm(norm, x), bytes(x), 2.0 * x.elements(),
                output("norm", norm, Tolerance.of(DType.F32, x.elements())));
    }

    /**
     * If the case has the option {@code far}, the norm is far above the limit. Otherwise the norm is just above the
     * limit, so that repeated timed calls hardly change x.
     */
    private static Call clip(Side side, Case at) {
        Tensor x = side.normal(DType.F32, at.get("n"));
        Tensor norm = side.constant(at.has("far") ? 3 : 0.7007, DType.F32, 1);
        return Call.of(() -> side.ops().gradientClip(x, norm, 0.7f), bytes(x, x), x.elements(),
                output("x", x, Tolerance.of(DType.F32, 1)));
    }

    private static Call adamw(Side side, Case at) {
        int n = at.get("n");
        Tensor p = side.normal(DType.F32, n);
        Tensor m = side.normal(DType.F32, n);
        Tensor v = side.values(i -> Math.pow(side.random().nextGaussian(), 2), DType.F32, n);
        Tensor g = side.normal(DType.F32, n);
        AdamW coefficients = new AdamW(1e-3f, 0.9f, 0.999f, 1e-8f, 0.1f);
        return Call.of(() -> side.ops().adamw(p, m, v, g, 3, coefficients), bytes(p, p, m, m, v, v, g), 15.0 * n,
                output("p", p, Tolerance.of(DType.F32, 4)), output("m", m, Tolerance.of(DType.F32, 2)),
                output("v", v, Tolerance.of(DType.F32, 2)));
    }
}
