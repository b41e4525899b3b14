package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Step;
import org.ingrain.ops.Ops;
import org.ingrain.ops.SampleRows;
import org.ingrain.sample.step.StepPlan.Draw;
import org.ingrain.sample.step.StepPlan.Score;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * The draws and scores of one step. The parameters of draws and scores are in the staging memory of the step. All
 * results are in one array with the layout of {@link StepResults}, so that a single copy transfers all results to the
 * host. A plan without parts only draws again from the logits of the previous plan. The results of these draws are in a
 * separate array, because a later step still reads the ids that the last plan with parts drew. Biases are added to a
 * copy of the logits, because another plan may draw from the same logits.
 */
final class Draws {
    private final Ops ops;
    private final Staging staging;
    private final int maxDraws;
    private final Tensor copy;
    private final Tensor results;
    private final Tensor resultsAgain;
    private final DrawBiases biases;
    private Arrays arrays;
    private Tensor target;
    private boolean inOrder;
    private List<Score> scores;
    private int draws;
    private int topTokens;

    /**
     * The staged arrays for n draws and m scored tokens: logit rows (n) I32, sampling settings (n), targets (m) I32.
     */
    private record Arrays(Tensor rows, SampleRows settings, Tensor targets) {
        static Arrays reserve(Staging staging, int n, int m) {
            Tensor rows = staging.reserve(DType.I32, n);
            SampleRows settings = new SampleRows(staging.reserve(DType.F32, n), staging.reserve(DType.I32, n),
                    staging.reserve(DType.F32, n), staging.reserve(DType.I64, n), staging.reserve(DType.I32, n),
                    staging.reserve(DType.I32, n));
            return new Arrays(rows, settings, staging.reserve(DType.I32, m));
        }
    }

    Draws(Allocator allocator, Staging staging, Step.Limits limits, int vocabSize) {
        this.staging = staging;
        maxDraws = limits.sequences();
        ops = new Ops(allocator.context());
        copy = allocator.allocate(DType.F32, maxDraws, vocabSize);
        results = allocator.allocateZero(DType.I32, resultElements(limits));
        resultsAgain = allocator.allocate(DType.I32, 3L * maxDraws + topElements(maxDraws, StepPlan.MAX_TOP_TOKENS));
        biases = new DrawBiases(allocator, staging, maxDraws);
    }

    /** Reserves the arrays for the largest step. */
    static void reserve(Staging staging, Step.Limits limits) {
        Arrays.reserve(staging, limits.sequences(), limits.logitRows());
        DrawBiases.reserve(staging, limits.sequences());
    }

    /** Maximum size of a step's results, in elements of 4 bytes. */
    static long resultElements(Step.Limits limits) {
        return 3L * limits.sequences() + limits.logitRows()
                + topElements(limits.sequences() + limits.logitRows(), StepPlan.MAX_TOP_TOKENS);
    }

    /** Number of elements for the ids and log-probabilities of the k most probable tokens of each row. */
    private static long topElements(int rows, int k) {
        return 2L * rows * k;
    }

    /**
     * Writes the parameters of a plan's draws and the target ids of its scores to the staging memory of the step. Pads
     * the draws with greedy draws to a total of {@code padded}; the results of the padding are not used.
     */
    void begin(StepPlan plan, int padded) {
        target = plan.parts().isEmpty() ? resultsAgain : results;
        scores = plan.scores();
        topTokens = plan.topTokens();
        draws = padded;
        inOrder = true;
        arrays = Arrays.reserve(staging, padded, plan.scoredTokens());
        biases.begin(plan);
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

    /** Enqueues the draws and scores that are computed from these logits (M, V). */
    void compute(Tensor logits) {
        int at = 0;
        for (Score score : scores) {
            int count = score.targets().length;
            top(draws + at, logits.rows(score.firstLogit(), score.firstLogit() + count));
            ops.crossEntropy(target.slice(2L * draws + at, count).view(DType.F32, count), null,
                    logits.rows(score.firstLogit(), score.firstLogit() + count), arrays.targets.rows(at, at + count));
            at += count;
        }
        if (draws > 0) {
            Tensor ids = target.slice(0, draws);
            Tensor logProbabilities = target.slice(draws, draws).view(DType.F32, draws);
            Tensor rows = rowsOf(logits);
            top(0, rows);
            int biased = biases.count();
            if (biased > 0) {
                biases.add(rows);
            }
            ops.sample(ids, logProbabilities, rows, arrays.settings);
            if (biased > 0) {
                biases.score(target.slice(unbiasedElements(), biased).view(DType.F32, biased), ids, logits,
                        copy.rows(0, biased));
            }
        }
    }

    /** Index in the results at which the log-probabilities of draws with a bias begin. */
    private long unbiasedElements() {
        return draws + scoresAndDraws() + topElements(scoresAndDraws(), topTokens);
    }

    /**
     * Enqueues the computation of the most probable tokens of these logits. The results for row i of the logits are
     * row {@code first + i} of the results of the step.
     */
    private void top(int first, Tensor logits) {
        if (topTokens > 0) {
            int rows = scoresAndDraws();
            long begin = draws + rows + (long) first * topTokens;
            long size = logits.size(0) * topTokens;
            ops.topTokens(target.slice(begin, size).view(DType.I32, logits.size(0), topTokens),
                    target.slice(begin + (long) rows * topTokens, size).view(DType.F32, logits.size(0), topTokens),
                    logits);
        }
    }

    private int scoresAndDraws() {
        return draws + Math.toIntExact(arrays.targets.elements());
    }

    /** Sends the ids drawn on rank 0 to every rank. Otherwise ranks could draw different ids because of rounding. */
    void share() {
        if (draws > 0) {
            ops.broadcast(target.slice(0, draws), target.slice(0, draws), 0);
        }
    }

    /**
     * Returns the logits if each draw i reads row i and no draw has a bias; otherwise returns a copy of the rows in the
     * order of the draws.
     */
    private Tensor rowsOf(Tensor logits) {
        if (inOrder && biases.count() == 0) {
            return logits.rows(0, draws);
        }
        Tensor rows = copy.rows(0, draws);
        ops.gatherRows(rows, logits, arrays.rows);
        return rows;
    }

    /** Number of draws of the current step, padding included. */
    int count() {
        return draws;
    }

    /** The results of the current step in device memory, to be copied to the host. Each element has 4 bytes. */
    Tensor results() {
        return target.slice(0, unbiasedElements() + biases.count());
    }

    /**
     * The ids (maxDraws) I32 that were drawn by the last plan that computed tokens. The parts of the next plan refer to
     * these ids.
     */
    Tensor drawn() {
        return results.slice(0, maxDraws);
    }
}
