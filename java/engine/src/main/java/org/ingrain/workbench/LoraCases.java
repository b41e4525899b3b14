package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import org.ingrain.ops.Dropout;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Cases of lora.cc. Some cases select an adapter for each row, and some have dropout. */
final class LoraCases {
    private static final int ADAPTERS = 3;
    private static final int BAND = 8;

    private LoraCases() {
    }

    static void addTo(Cases cases) {
        int rows = cases.scale().matmulRows();
        int wide = cases.scale().width(4096);
        cases.add("lora_down_forward", "T C R slots dropout",
                new int[][] {{1, 1, 1, 0, 0}, {7, 127, 8, 1, 0}, {33, 64, 4, 0, 1}, {3, 515, 64, 1, 1},
                        {127, 48, 7, 1, 0}},
                new int[][] {{8, wide, 16, 1, 0}, {rows, wide, 16, 0, 1}}, Cases.FLOATS, LoraCases::downForward);
        cases.add("lora_up_forward", "T N R slots", new int[][] {{1, 1, 1, 0}, {7, 33, 8, 1}, {33, 127, 4, 0},
                {3, 16, 64, 1}, {127, 40, 7, 1}}, new int[][] {{8, wide, 16, 1}, {rows, wide, 16, 0}}, Cases.FLOATS,
                LoraCases::upForward);
        cases.add("lora_up_backward", "T N R", new int[][] {{1, 1, 1}, {7, 33, 8}, {33, 127, 4}, {3, 16, 64},
                {127, 40, 7}}, Cases.at(rows, wide, 16), Cases.FLOATS, LoraCases::upBackward);
        cases.add("lora_down_backward", "T C R dropout dx",
                new int[][] {{1, 1, 1, 0, 1}, {7, 127, 8, 1, 1}, {33, 64, 4, 0, 0}, {3, 515, 64, 1, 1}},
                Cases.at(rows, wide, 16, 1, 1), Cases.FLOATS, LoraCases::downBackward);
    }

    private static Dropout dropout(Case at) {
        return at.has("dropout") ? new Dropout(0.3f, 0x5eed5eed5eedL) : Dropout.NONE;
    }

    private static Tensor slots(Side side, Case at) {
        return at.has("slots") ? side.randomInts(at.get("T"), -1, ADAPTERS) : null;
    }

    private static Call downForward(Side side, Case at) {
        int t = at.get("T");
        int c = at.get("C");
        int r = at.get("R");
        Tensor x = side.normal(at.dtype(), t, c);
        Tensor a = side.normal(DType.F32, ADAPTERS, r, c);
        Tensor slots = slots(side, at);
        Tensor u = side.output(DType.F32, t, r);
        return Call.of(() -> side.ops().loraDown(u, x, a, slots, dropout(at)), bytes(u, x) + bytes(a) / ADAPTERS,
                2.0 * t * c * r, output("u", u, Tolerance.of(DType.F32, c).through(at.dtype())));
    }

    /** Creates a call whose output is a range of columns of a wider matrix. The other columns must not change. */
    private static Call upForward(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        int r = at.get("R");
        Tensor y = side.normal(at.dtype(), t, n + 3L * BAND);
        Tensor u = side.normal(DType.F32, t, r + 3L * BAND);
        Tensor b = side.normal(DType.F32, ADAPTERS, n, r);
        Tensor scaling = side.values(new float[] {0.5f, 2, -1.25f}, DType.F32, ADAPTERS);
        Tensor slots = slots(side, at);
        return Call.of(() -> side.ops().loraUp(y.fromColumn(BAND), u.fromColumn(BAND), b, scaling, slots),
                2.0 * t * n * at.dtype().bytes() + 4.0 * t * r + bytes(b) / ADAPTERS, 2.0 * t * n * r,
                output("y", y, Tolerance.of(at.dtype(), r).through(at.dtype())));
    }

    private static Call upBackward(Side side, Case at) {
        int t = at.get("T");
        int n = at.get("N");
        int r = at.get("R");
        Tensor dy = side.normal(at.dtype(), t, n + 3L * BAND);
        Tensor u = side.normal(DType.F32, t, r + 3L * BAND);
        Tensor b = side.normal(DType.F32, 1, n, r);
        Tensor db = side.normal(DType.F32, 1, n, r);
        Tensor du = side.normal(DType.F32, t, r + 3L * BAND);
        return Call.of(() -> side.ops().loraUpBackward(du.fromColumn(BAND), db, dy.fromColumn(BAND), u.fromColumn(BAND),
                b, 1.7f),
                bytes(db, db, b) + 8.0 * t * r + (double) t * n * at.dtype().bytes(), 4.0 * t * n * r,
                output("du", du, Tolerance.of(DType.F32, n).through(at.dtype())),
                output("dB", db, Tolerance.of(DType.F32, t).through(at.dtype())));
    }

    private static Call downBackward(Side side, Case at) {
        int t = at.get("T");
        int c = at.get("C");
        int r = at.get("R");
        Tensor dx = side.normal(at.dtype(), t, c);
        Tensor a = side.normal(DType.F32, 1, r, c);
        Tensor da = side.normal(DType.F32, 1, r, c);
        Tensor du = side.normal(DType.F32, t, r);
        Tensor x = side.normal(at.dtype(), t, c);
        return Call.of(() -> side.ops().loraDownBackward(at.has("dx") ? dx : null, da, du, x, a, dropout(at)),
                bytes(dx, dx, x, a, da, da, du), 4.0 * t * c * r,
                output("dx", dx, Tolerance.of(at.dtype(), r).through(at.dtype())),
                output("dA", da, Tolerance.of(DType.F32, t).through(at.dtype())));
    }
}
