package org.ingrain.sample;

import java.util.List;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.sample.StepWork.Draw;
import org.ingrain.sample.StepWork.Score;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * The draws of one step: which sample draws from which row of logits, and how. Their settings lie in the step's staging memory; what is
 * drawn and scored lies in one array, so that one copy brings it to the host: m ids, m log-probabilities, then the scores.
 */
final class Draws {
    private final Ops ops;
    private final Staging staging;
    private final int maxDraws;
    private final Tensor repeated;
    private final Tensor results;
    private final Tensor overflow;
    private Tensor target;
    private Tensor rowIndices;
    private Ops.SampleRows settings;
    private Tensor targets;
    private List<Score> scores;
    private int draws;

    Draws(Context context, Staging staging, int maxDraws, int logitRows, int vocabSize) {
        this.staging = staging;
        this.maxDraws = maxDraws;
        ops = new Ops(context);
        repeated = context.allocate(DType.F32, maxDraws, vocabSize);
        results = context.allocateZero(DType.I32, resultElements(maxDraws, logitRows));
        overflow = context.allocate(DType.I32, resultElements(maxDraws, 0));
    }

    /** Bytes that the constructor allocates, but for a few per row. */
    static long bytes(int maxDraws, int vocabSize) {
        return (long) maxDraws * vocabSize * Float.BYTES;
    }

    /** Elements of 4 bytes that a step's results are at most. */
    static long resultElements(int maxDraws, int logitRows) {
        return 2L * maxDraws + logitRows;
    }

    /** Bytes of staging memory that the settings of the largest step take. */
    static long stagedBytes(int maxDraws, int logitRows) {
        return maxDraws * (6L * Integer.BYTES + Long.BYTES) + (long) logitRows * Integer.BYTES + 8 * Staging.ALIGNMENT;
    }

    /** Stages the draws of a step, filled up to {@code padded} with greedy draws from rows of their own number, and its scores. */
    void begin(List<Draw> wanted, int padded, List<Score> scores) {
        target = results;
        stage(wanted, padded);
        this.scores = scores;
        targets = staging.reserve(DType.I32, scores.stream().mapToInt(Score::count).sum());
        int at = 0;
        for (Score score : scores) {
            for (int i = 0; i < score.count(); i++) {
                staging.put(targets, at++, score.sample().ids()[score.from() + i]);
            }
        }
    }

    /** Stages further draws from the logits of the step before, which leave its results as they are. */
    void beginOverflow(List<Draw> wanted) {
        target = overflow;
        stage(wanted, wanted.size());
        scores = List.of();
    }

    private void stage(List<Draw> wanted, int padded) {
        draws = padded;
        boolean inOrder = true;
        Tensor rows = staging.reserve(DType.I32, padded);
        settings = new Ops.SampleRows(staging.reserve(DType.F32, padded), staging.reserve(DType.I32, padded), staging.reserve(DType.F32, padded),
                staging.reserve(DType.I64, padded), staging.reserve(DType.I32, padded), staging.reserve(DType.I32, padded));
        for (int i = 0; i < wanted.size(); i++) {
            Draw draw = wanted.get(i);
            inOrder &= draw.logitRow() == i;
            staging.put(rows, i, draw.logitRow());
            set(i, draw.sample().ticket.request.params(), draw.sample().number, draw.position());
        }
        SamplingParams greedy = SamplingParams.greedy(1);
        for (int i = wanted.size(); i < padded; i++) {
            set(i, greedy, 0, 0);
        }
        rowIndices = inOrder ? null : rows;
    }

    private void set(int i, SamplingParams params, int number, int position) {
        staging.put(settings.temperature(), i, (float) params.temperature());
        staging.put(settings.topK(), i, params.topK());
        staging.put(settings.topP(), i, (float) params.topP());
        staging.put(settings.seeds(), i, params.seed());
        staging.put(settings.sequences(), i, number);
        staging.put(settings.positions(), i, position);
    }

    /** Enqueues the draws and scores from logits (M, V). */
    void compute(Tensor logits) {
        int at = 0;
        for (Score score : scores) {
            int end = at + score.count();
            ops.crossEntropy(target.slice(2L * draws + at, score.count()).view(DType.F32, score.count()), null,
                    logits.rows(score.firstLogit(), score.firstLogit() + score.count()), targets.rows(at, end));
            at = end;
        }
        if (draws > 0) {
            Tensor logProbabilities = target.slice(draws, draws).view(DType.F32, draws);
            ops.sample(target.slice(0, draws), logProbabilities, rowsOf(logits), settings);
        }
    }

    /** The logits themselves where each draw has the row of its own number, else a copy with the rows the draws want. */
    private Tensor rowsOf(Tensor logits) {
        if (rowIndices == null) {
            return logits.rows(0, draws);
        }
        Tensor copy = repeated.rows(0, draws);
        ops.gatherRows(copy, logits, rowIndices);
        return copy;
    }

    /** Draws of the present step, those that fill it up included. */
    int count() {
        return draws;
    }

    /** What the present step has drawn and scored, 4 bytes an element: all that the host reads. */
    Tensor results() {
        return target.slice(0, 2L * draws + scores.stream().mapToInt(Score::count).sum());
    }

    /** (maxDraws) ids of the last step that was not an overflow; what the next step's rows may name. */
    Tensor drawn() {
        return results.slice(0, maxDraws);
    }
}
