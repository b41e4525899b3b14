package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import org.ingrain.ops.AttentionState;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Cases of attention.cc and attention_backward.cc, on packed sequences of increasing length. */
final class AttentionCases {
    private AttentionCases() {
    }

    static void addTo(Cases cases) {
        int[][] sizes = {{1, 1, 1, 1, 2}, {3, 37, 4, 2, 64}, {2, 131, 6, 1, 80}, {1, 97, 8, 8, 128}};
        int[][] timed = Cases.at(1, Math.max(32, cases.scale().matmulRows()), cases.scale().width(32),
                Math.max(1, cases.scale().width(8)), 128);
        cases.add("attention_forward", "S length H K E", sizes, timed, Cases.FLOATS, AttentionCases::forward);
        cases.add("attention_backward", "S length H K E", sizes, timed, Cases.FLOATS, AttentionCases::backward);
    }

    static Heads heads(Case at) {
        return new Heads(at.get("H"), at.get("K"), at.get("E"), (float) (1 / Math.sqrt(at.get("E"))));
    }

    private static int[] offsets(Case at) {
        int[] offsets = new int[at.get("S") + 1];
        for (int s = 0; s < at.get("S"); s++) {
            offsets[s + 1] = offsets[s] + Math.max(1, at.get("length") * (s + 1) / at.get("S"));
        }
        return offsets;
    }

    /** Number of (query, key) pairs that the causal mask allows. */
    private static double pairs(int[] offsets) {
        double pairs = 0;
        for (int s = 1; s < offsets.length; s++) {
            double length = offsets[s] - offsets[s - 1];
            pairs += length * (length + 1) / 2;
        }
        return pairs;
    }

    /** Allocates y, lse and the offsets on {@code side}. Returns them with qkv as an AttentionState. */
    private static AttentionState state(Side side, Tensor qkv, Case at, int[] offsets) {
        int t = offsets[offsets.length - 1];
        return new AttentionState(qkv.view(t, heads(at).columns()),
                side.output(at.dtype(), t, (long) at.get("H") * at.get("E")), side.output(DType.F32, t, at.get("H")),
                side.ints(offsets), DType.F32);
    }

    private static Call forward(Side side, Case at) {
        int[] offsets = offsets(at);
        AttentionState state = state(side, side.normal(at.dtype(), offsets[offsets.length - 1], heads(at).columns()),
                at, offsets);
        long terms = at.get("length") + at.get("E");
        return Call.of(() -> side.ops().attention(state, heads(at)),
                bytes(state.y(), state.lse(), state.qkv()), 4 * pairs(offsets) * at.get("H") * at.get("E"),
                output("y", state.y(), Tolerance.of(at.dtype(), terms).through(at.dtype()).magnitude(1)),
                output("lse", state.lse(), Tolerance.of(DType.F32, terms).through(at.dtype()).magnitude(4)));
    }

    /** The inputs y and lse are results of the oracle's forward pass. */
    private static Call backward(Side side, Case at) {
        int[] offsets = offsets(at);
        Tensor qkv = side.normal(at.dtype(), offsets[offsets.length - 1], heads(at).columns());
        AttentionState own = state(side, qkv, at, offsets);
        Side oracle = side.oracle();
        AttentionState right = state(oracle, oracle.copied(side, qkv), at, offsets);
        oracle.builtIn().attention(right, heads(at));
        Tensor y = side.copied(oracle, right.y()).view(own.y().size(0), own.y().size(1));
        Tensor lse = side.copied(oracle, right.lse()).view(own.lse().size(0), own.lse().size(1));
        AttentionState state = new AttentionState(own.qkv(), y, lse, own.offsets(), own.operands());
        Tensor dy = side.normal(at.dtype(), y.size(0), y.size(1));
        Tensor dqkv = side.output(at.dtype(), qkv.size(0), qkv.size(1));
        Tensor delta = side.output(DType.F32, lse.size(0), lse.size(1));
        Tensor sums = side.output(DType.F32, qkv.size(0), qkv.size(1));
        Tolerance tolerance = Tolerance.of(at.dtype(), at.get("length") + at.get("E")).through(at.dtype())
                .magnitude(16);
        return Call.of(() -> side.ops().attentionBackward(dqkv, delta, sums, dy, state, heads(at)),
                bytes(dqkv, qkv, y, dy, lse), 10 * pairs(offsets) * at.get("H") * at.get("E"),
                output("dqkv", dqkv, tolerance));
    }
}
