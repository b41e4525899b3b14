package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.ops.Ops;
import org.ingrain.sample.step.StepPlan.Bias;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * The biases of the draws of one step. The ids are drawn from biased logits. For the draws that have a bias, a separate
 * op computes the log-probabilities of the drawn ids from the logits without biases. So the log-probability of a draw
 * does not depend on whether other draws have a bias.
 */
final class DrawBiases {
    private final Ops ops;
    private final Staging staging;
    private final Tensor targets;
    private Arrays arrays;

    /**
     * The staged arrays. {@code rows}, {@code ids} and {@code values} (n) have one element for each value to add: the
     * index of the draw, the token id and the value. {@code draws} and {@code logitRows} (b) have one element for each
     * draw that has a bias: the index of the draw and its row of logits. {@code values} is F32; the other arrays are
     * I32.
     */
    private record Arrays(Tensor rows, Tensor ids, Tensor values, Tensor draws, Tensor logitRows) {
        static Arrays reserve(Staging staging, long n, long b) {
            return new Arrays(staging.reserve(DType.I32, n), staging.reserve(DType.I32, n),
                    staging.reserve(DType.F32, n), staging.reserve(DType.I32, b), staging.reserve(DType.I32, b));
        }
    }

    DrawBiases(Allocator allocator, Staging staging, int maxDraws) {
        ops = new Ops(allocator.context());
        this.staging = staging;
        targets = allocator.allocate(DType.I32, maxDraws);
    }

    /** Reserves the arrays for the largest step. */
    static void reserve(Staging staging, int maxDraws) {
        Arrays.reserve(staging, (long) maxDraws * StepPlan.MAX_BIASES, maxDraws);
    }

    /** Writes the biases of a plan to the staging memory. */
    void begin(StepPlan plan) {
        List<Bias> biases = plan.biases();
        arrays = Arrays.reserve(staging, biases.stream().mapToLong(bias -> bias.ids().length).sum(), biases.size());
        int at = 0;
        for (int b = 0; b < biases.size(); b++) {
            Bias bias = biases.get(b);
            staging.put(arrays.draws, b, bias.draw());
            staging.put(arrays.logitRows, b, plan.draws().get(bias.draw()).logitRow());
            for (int i = 0; i < bias.ids().length; i++, at++) {
                staging.put(arrays.rows, at, bias.draw());
                staging.put(arrays.ids, at, bias.ids()[i]);
                staging.put(arrays.values, at, bias.values()[i]);
            }
        }
    }

    /** Number of draws that have a bias. */
    int count() {
        return Math.toIntExact(arrays.draws.elements());
    }

    /** Enqueues the addition of the biases to {@code rows}, a copy of the logits with one row for each draw. */
    void add(Tensor rows) {
        ops.biasLogits(rows, arrays.rows, arrays.ids, arrays.values);
    }

    /**
     * Enqueues the computation of the negative log-probabilities of drawn ids.
     *
     * @param losses   result (count) F32, one for each draw that has a bias
     * @param ids      ids of all draws
     * @param logits   logits without biases
     * @param selected scratch (count, V) F32
     */
    void score(Tensor losses, Tensor ids, Tensor logits, Tensor selected) {
        Tensor drawn = targets.slice(0, count());
        // If the softmax of a draw's logits is undefined, the drawn id is -1. The op cross_entropy needs a valid
        // target, so the op select_ids replaces -1 by 0.
        ops.selectIds(drawn, arrays.draws, arrays.draws, ids);
        ops.gatherRows(selected, logits, arrays.logitRows);
        ops.crossEntropy(losses, null, selected, drawn);
    }
}
