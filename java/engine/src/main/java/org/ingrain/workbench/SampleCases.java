package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import java.util.stream.IntStream;
import org.ingrain.ops.SampleRows;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Cases of bias_logits.cc, sample.cc, top_tokens.cc and random.cc. */
final class SampleCases {
    /**
     * Fraction of rows that may draw a different id. The drawn id is the first one at which the running sum of the f32
     * softmax weights exceeds a random threshold. If the sum and the threshold differ only by rounding errors, two ids
     * are correct.
     */
    private static final double ON_THE_BORDER = 0.02;

    private SampleCases() {
    }

    static void addTo(Cases cases) {
        int rows = Math.max(1, cases.scale().rows() / 64);
        cases.add("bias_logits", "M V n", new int[][] {{1, 1, 1}, {5, 127, 33}, {3, 4099, 900}},
                Cases.at(rows, cases.scale().width(32000), 300 * rows), Cases.F32, SampleCases::biasLogits);
        cases.add("sample", "M V greedy top_k top_p",
                new int[][] {{5, 1, 1, 0, 0}, {5, 127, 1, 0, 0}, {3, 32003, 1, 7, 1}, {64, 40, 0, 0, 0},
            {64, 127, 0, 12, 0}, {64, 127, 0, 0, 1}, {64, 4099, 0, 100, 1}},
                    Cases.at(rows, cases.scale().width(32000), 0, 0, 1), Cases.F32, SampleCases::sample);
        cases.add("top_tokens", "M V n", new int[][] {{1, 1, 1}, {5, 127, 5}, {3, 4099, 20}, {2, 32003, 1}},
                Cases.at(rows, cases.scale().width(32000), 5), Cases.F32, SampleCases::topTokens);
        cases.add("random_normal", "n", new int[][] {{1}, {127}, {4099}},
                Cases.at(cases.scale().rows() * cases.scale().width(4096)), Cases.FLOATS, SampleCases::normal);
    }

    /** Each of the n values is added to a different element: value i is added to element i div M of row i mod M. */
    private static Call biasLogits(Side side, Case at) {
        int m = at.get("M");
        int n = at.get("n");
        Tensor logits = side.normal(DType.F32, m, at.get("V"));
        Tensor rows = side.ints(IntStream.range(0, n).map(i -> i % m).toArray());
        Tensor ids = side.ints(IntStream.range(0, n).map(i -> i / m).toArray());
        Tensor values = side.normal(DType.F32, n);
        return Call.of(() -> side.ops().biasLogits(logits, rows, ids, values),
                bytes(rows, ids, values) + 2.0 * n * Float.BYTES, n, output("logits", logits, Tolerance.exact()));
    }

    private static Call sample(Side side, Case at) {
        int m = at.get("M");
        int v = at.get("V");
        Tensor logits = side.values(i -> 2 * side.random().nextGaussian(), DType.F32, m, v);
        SampleRows rows = new SampleRows(side.constant(at.has("greedy") ? 0 : 0.8, DType.F32, m),
                side.ints(IntStream.generate(() -> at.get("top_k")).limit(m).toArray()),
                side.constant(at.has("top_p") ? 0.9 : 1, DType.F32, m),
                side.longs(side.random().longs(m, 0, 1L << 40).toArray()), side.ints(IntStream.range(0, m).toArray()),
                side.randomInts(m, 0, 4096));
        Tensor ids = side.output(DType.I32, m);
        Tensor logProbabilities = side.output(DType.F32, m);
        double strays = at.has("greedy") ? 0 : ON_THE_BORDER;
        return Call.of(() -> side.ops().sample(ids, logProbabilities, logits, rows), bytes(logits), 4.0 * m * v,
                output("ids", ids, Tolerance.exact().strays(strays)),
                output("log_probabilities", logProbabilities, Tolerance.of(DType.F32, v).magnitude(8).strays(strays)));
    }

    private static Call topTokens(Side side, Case at) {
        int m = at.get("M");
        int v = at.get("V");
        Tensor logits = side.values(i -> 2 * side.random().nextGaussian(), DType.F32, m, v);
        Tensor ids = side.output(DType.I32, m, at.get("n"));
        Tensor logProbabilities = side.output(DType.F32, m, at.get("n"));
        return Call.of(() -> side.ops().topTokens(ids, logProbabilities, logits), bytes(logits), 4.0 * m * v,
                output("ids", ids, Tolerance.exact()),
                output("log_probabilities", logProbabilities, Tolerance.of(DType.F32, v).magnitude(8)));
    }

    /** Each random number is computed with a logarithm and a cosine, whose errors are a few units in the last place. */
    private static Call normal(Side side, Case at) {
        Tensor y = side.output(at.dtype(), at.get("n"));
        return Call.of(() -> side.ops().randomNormal(y, 1.5f, 20240709), bytes(y), 40.0 * y.elements(),
                output("y", y, Tolerance.of(at.dtype(), 64).magnitude(6)));
    }
}
