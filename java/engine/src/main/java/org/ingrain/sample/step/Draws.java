package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Step;
import org.ingrain.ops.Ops;
import org.ingrain.sample.step.StepPlan.Draw;
import org.ingrain.sample.step.StepPlan.Score;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * The draws and scores of one step. Their settings lie in the step's staging memory; what is drawn and scored lies in
 * one array, so that one copy brings it to the host: n ids, n log-probabilities, then the scores. A plan that draws
 * again has an array of its own, because the next step reads the ids of the last step that had parts.
 */
final class Draws {
    private final Ops ops;
    private final Staging staging;
    private final int maxDraws;
    private final Tensor repeated;
    private final Tensor results;
    private final Tensor resultsAgain;
    private Arrays arrays;
    private Tensor target;
    private boolean inOrder;
    private List<Score> scores;
    private int draws;

    /** The staged arrays of n draws and m scored tokens: logit rows (n) I32, settings (n), targets (m) I32. */
    private record Arrays(Tensor rows, Ops.SampleRows settings, Tensor targets) {
        static Arrays reserve(Staging staging, int n, int m) {
            Tensor rows = staging.reserve(DType.I32, n);
            Ops.SampleRows settings = new Ops.SampleRows(staging.reserve(DType.F32, n), staging.reserve(DType.I32, n),
                    staging.reserve(DType.F32, n), staging.reserve(DType.I64, n), staging.reserve(DType.I32, n),
                    staging.reserve(DType.I32, n));
            return new Arrays(rows, settings, staging.reserve(DType.I32, m));
        }
    }

    Draws(Allocator allocator, Staging staging, Step.Limits limits, int vocabSize) {
        this.staging = staging;
        maxDraws = limits.sequences();
        ops = new Ops(allocator.context());
        repeated = allocator.allocate(DType.F32, maxDraws, vocabSize);
        results = allocator.allocateZero(DType.I32, resultElements(limits));
        resultsAgain = allocator.allocate(DType.I32, 2L * maxDraws);
    }

    /** Reserves the arrays of the largest step. */
    static void reserve(Staging staging, Step.Limits limits) {
        Arrays.reserve(staging, limits.sequences(), limits.logitRows());
    }

    /** Elements of 4 bytes that a step's results are at most. */
    static long resultElements(Step.Limits limits) {
        return 2L * limits.sequences() + limits.logitRows();
    }

    /**
     * Stages the draws of a plan, filled up to {@code padded} with greedy draws from rows of their own number, and its
     * scores.
     */
    void begin(StepPlan plan, int padded) {
        target = plan.parts().isEmpty() ? resultsAgain : results;
        scores = plan.scores();
        draws = padded;
        inOrder = true;
        arrays = Arrays.reserve(staging, padded, plan.scoredTokens());
        for (int i = 0; i < plan.draws().size(); i++) {
            Draw draw = plan.draws().get(i);
            inOrder &= draw.logitRow() == i;
            stage(i, draw);
        }
        for (int i = plan.draws().size(); i < padded; i++) {
            stage(i, Draw.GREEDY);
        }
        int at = 0;
        for (Score score : scores) {
            for (int id : score.targets()) {
                staging.put(arrays.targets, at++, id);
            }
        }
    }

    private void stage(int i, Draw draw) {
        staging.put(arrays.rows, i, draw.logitRow());
        staging.put(arrays.settings.temperature(), i, draw.temperature());
        staging.put(arrays.settings.topK(), i, draw.topK());
        staging.put(arrays.settings.topP(), i, draw.topP());
        staging.put(arrays.settings.seeds(), i, draw.seed());
        staging.put(arrays.settings.sequences(), i, draw.sequence());
        staging.put(arrays.settings.positions(), i, draw.position());
    }

    /** Enqueues the draws and scores from logits (M, V). */
    void compute(Tensor logits) {
        int at = 0;
        for (Score score : scores) {
            int count = score.targets().length;
            ops.crossEntropy(target.slice(2L * draws + at, count).view(DType.F32, count), null,
                    logits.rows(score.firstLogit(), score.firstLogit() + count), arrays.targets.rows(at, at + count));
            at += count;
        }
        if (draws > 0) {
            Tensor logProbabilities = target.slice(draws, draws).view(DType.F32, draws);
            ops.sample(target.slice(0, draws), logProbabilities, rowsOf(logits), arrays.settings);
        }
    }

    /** Gives every rank the ids that rank 0 has drawn, so that no difference of rounding can lead ranks apart. */
    void share() {
        if (draws > 0) {
            ops.broadcast(target.slice(0, draws), target.slice(0, draws), 0);
        }
    }

    /**
     * The logits themselves where each draw has the row of its own number, else a copy with the rows the draws want.
     */
    private Tensor rowsOf(Tensor logits) {
        if (inOrder) {
            return logits.rows(0, draws);
        }
        Tensor copy = repeated.rows(0, draws);
        ops.gatherRows(copy, logits, arrays.rows);
        return copy;
    }

    /** Draws of the present step, those that fill it up included. */
    int count() {
        return draws;
    }

    /** What the present step has drawn and scored, 4 bytes an element: all that the host reads. */
    Tensor results() {
        return target.slice(0, 2L * draws + arrays.targets.elements());
    }

    /** (maxDraws) ids of the last step that had parts; what the next step's rows may name. */
    Tensor drawn() {
        return results.slice(0, maxDraws);
    }
}
