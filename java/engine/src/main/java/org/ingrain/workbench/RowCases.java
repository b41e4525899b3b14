package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Cases of ops that copy, convert or rotate rows (convert.cc, embedding.cc, gather_rows.cc, rope.cc, select_ids.cc),
 * and of collectives.cc with one rank.
 */
final class RowCases {
    private static final int POSITIONS = 512;

    private RowCases() {
    }

    static void addTo(Cases cases) {
        int rows = cases.scale().rows();
        int wide = cases.scale().width(4096);
        int[][] picked = {{1, 7, 1}, {7, 127, 33}, {127, 64, 127}, {3, 40, 4099}};
        cases.add("convert", "n bf16 f16", new int[][] {{1, 0, 0}, {127, 1, 0}, {4099, 0, 1}},
                Cases.at(rows * wide, 1, 0), Cases.FLOATS, RowCases::convert);
        cases.add("embedding_forward", "T V D packed",
                new int[][] {{1, 7, 1, 0}, {7, 127, 33, 1}, {127, 64, 127, 0}, {3, 40, 4099, 1}},
                Cases.at(rows, cases.scale().width(32000), wide, 0), Cases.FLOATS, RowCases::embedding);
        cases.add("embedding_backward", "T V D", picked, Cases.at(rows, cases.scale().width(32000), wide), Cases.FLOATS,
                RowCases::embeddingBackward);
        cases.add("gather_rows_forward", "M T D", picked, Cases.at(rows, rows, wide), Cases.FLOATS,
                RowCases::gatherRows);
        cases.add("gather_rows_backward", "M T D", picked, Cases.at(rows, rows, wide), Cases.FLOATS,
                RowCases::gatherRowsBackward);
        int[][] heads = {{1, 1, 1, 2}, {7, 4, 2, 64}, {127, 6, 1, 80}, {33, 8, 8, 128}};
        int[][] large = Cases.at(rows, cases.scale().width(32), Math.max(1, cases.scale().width(8)), 128);
        cases.add("rope_forward", "T H K E", heads, large, Cases.FLOATS, (side, at) -> rope(side, at, false));
        cases.add("rope_backward", "T H K E", heads, large, Cases.FLOATS, (side, at) -> rope(side, at, true));
        cases.add("select_ids", "T", new int[][] {{1}, {7}, {4099}}, Cases.at(rows), Cases.F32, RowCases::selectIds);
        cases.add("all_reduce", "chunks n", new int[][] {{1, 1}, {8, 127}, {3, 4099}}, Cases.at(8, rows * wide / 8),
                Cases.FLOATS, RowCases::allReduce);
        cases.add("all_gather", "n", new int[][] {{1}, {127}, {4099}}, Cases.at(rows * wide), Cases.FLOATS,
                RowCases::allGather);
        cases.add("reduce_scatter", "chunks n", new int[][] {{1, 1}, {8, 127}, {3, 4099}},
                Cases.at(8, rows * wide / 8), Cases.FLOATS, RowCases::reduceScatter);
        cases.add("broadcast", "n", new int[][] {{1}, {127}, {4099}}, Cases.at(rows * wide), Cases.FLOATS,
                RowCases::broadcast);
    }

    private static Call convert(Side side, Case at) {
        int n = at.get("n");
        Tensor x = side.normal(at.has("bf16") ? DType.BF16 : at.has("f16") ? DType.F16 : DType.F32, n);
        Tensor y = side.output(at.dtype(), n);
        return Call.of(() -> side.ops().convert(y, x), bytes(y, x), 0, output("y", y, Tolerance.exact()));
    }

    private static Call embedding(Side side, Case at) {
        Tensor ids = side.randomInts(at.get("T"), 0, at.get("V"));
        Weight table = side.weight(at.dtype(), at.has("packed") ? Weight.Layout.PACKED : Weight.Layout.ROW_MAJOR,
                at.get("V"), at.get("D"), 0);
        Tensor y = side.output(at.dtype(), at.get("T"), at.get("D"));
        return Call.of(() -> side.ops().embedding(y, ids, table), bytes(y, y), 0, output("y", y, Tolerance.exact()));
    }

    private static Call embeddingBackward(Side side, Case at) {
        Tensor ids = side.randomInts(at.get("T"), 0, at.get("V"));
        Tensor dy = side.normal(at.dtype(), at.get("T"), at.get("D"));
        Tensor dtable = side.normal(DType.F32, at.get("V"), at.get("D"));
        return Call.of(() -> side.ops().embeddingBackward(dtable, dy, ids), 2.0 * DType.F32.bytes() * dy.elements()
                + bytes(dy), dy.elements(), output("dtable", dtable, Tolerance.of(DType.F32, at.get("T"))));
    }

    private static Call gatherRows(Side side, Case at) {
        Tensor rows = side.randomInts(at.get("M"), 0, at.get("T"));
        Tensor x = side.normal(at.dtype(), at.get("T"), at.get("D"));
        Tensor y = side.output(at.dtype(), at.get("M"), at.get("D"));
        return Call.of(() -> side.ops().gatherRows(y, x, rows), bytes(y, y), 0, output("y", y, Tolerance.exact()));
    }

    /** Every addition of the op rounds to the dtype, so the tolerance includes one such rounding for each term. */
    private static Call gatherRowsBackward(Side side, Case at) {
        Tensor rows = side.randomInts(at.get("M"), 0, at.get("T"));
        Tensor dy = side.normal(at.dtype(), at.get("M"), at.get("D"));
        Tensor dx = side.output(at.dtype(), at.get("T"), at.get("D"));
        return Call.of(() -> side.ops().gatherRowsBackward(dx, dy, rows), bytes(dy, dy, dx), dy.elements(),
                output("dx", dx, Tolerance.of(at.dtype(), at.get("M")).through(at.dtype())));
    }

    private static Call rope(Side side, Case at, boolean backward) {
        Heads heads = new Heads(at.get("H"), at.get("K"), at.get("E"), 1);
        Tensor table = ropeTable(side, POSITIONS, at.get("E"));
        Tensor positions = side.randomInts(at.get("T"), 0, POSITIONS);
        Tensor qkv = side.normal(at.dtype(), at.get("T"), heads.columns());
        double turned = 2.0 * at.get("T") * (at.get("H") + at.get("K")) * at.get("E") * at.dtype().bytes();
        Runnable run = backward ? () -> side.ops().ropeBackward(qkv, table, positions, heads)
                : () -> side.ops().rope(qkv, table, positions, heads);
        return Call.of(run, turned, turned, output(backward ? "dqkv" : "qkv", qkv, Tolerance.of(at.dtype(), 2)));
    }

    /** (positions, E): cos in the left half, sin in the right. */
    static Tensor ropeTable(Side side, long positions, int e) {
        int half = e / 2;
        return side.values(i -> {
            double angle = i / e * Math.pow(10000, -(i % half) / (double) half);
            return i % e < half ? Math.cos(angle) : Math.sin(angle);
        }, DType.F32, positions, e);
    }

    private static Call selectIds(Side side, Case at) {
        int t = at.get("T");
        Tensor given = side.randomInts(t, 0, 32000);
        Tensor source = side.randomInts(t, -t, t);
        Tensor drawn = side.randomInts(t, 0, 32000);
        Tensor ids = side.output(DType.I32, t);
        return Call.of(() -> side.ops().selectIds(ids, given, source, drawn), bytes(ids, given, source, drawn), 0,
                output("ids", ids, Tolerance.exact()));
    }

    private static Call allReduce(Side side, Case at) {
        Tensor partials = side.normal(DType.F32, at.get("chunks"), at.get("n"));
        Tensor y = side.output(at.dtype(), at.get("n"));
        return Call.of(() -> side.ops().allReduce(y, partials, at.get("chunks")), bytes(y, partials),
                partials.elements(), output("y", y, Tolerance.of(at.dtype(), at.get("chunks"))));
    }

    private static Call allGather(Side side, Case at) {
        Tensor x = side.normal(at.dtype(), at.get("n"));
        Tensor y = side.output(at.dtype(), at.get("n"));
        return Call.of(() -> side.ops().allGather(y, x), bytes(y, x), 0, output("y", y, Tolerance.exact()));
    }

    private static Call reduceScatter(Side side, Case at) {
        Tensor partials = side.normal(DType.F32, at.get("chunks"), at.get("n"));
        Tensor y = side.output(at.dtype(), at.get("n"));
        return Call.of(() -> side.ops().reduceScatter(y, partials, at.get("chunks")), bytes(y, partials),
                partials.elements(), output("y", y, Tolerance.of(at.dtype(), at.get("chunks"))));
    }

    private static Call broadcast(Side side, Case at) {
        Tensor x = side.normal(at.dtype(), at.get("n"));
        Tensor y = side.output(at.dtype(), at.get("n"));
        return Call.of(() -> side.ops().broadcast(y, x, 0), bytes(y, x), 0, output("y", y, Tolerance.exact()));
    }
}
