package org.ingrain.sample;

import java.util.List;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** The draws of one step: which sample draws from which row of logits, and the device arrays of the sample op. */
final class Draws {
    private final Context context;
    private final Ops ops;
    private final Tensor repeated;
    private final Tensor rowIndices;
    private final Tensor ids;
    private final Tensor logProbabilities;
    private final Tensor temperature;
    private final Tensor topK;
    private final Tensor topP;
    private final Tensor seeds;
    private final Tensor sequences;
    private final Tensor positions;
    private final Tensor targets;
    private final Tensor losses;

    /** One draw: the sample's next token, from this row of the step's logits. */
    record Draw(Sample sample, int logitRow) {
    }

    /** What was drawn, in the order of the draws. */
    record Drawn(int[] ids, float[] logProbabilities) {
    }

    Draws(Context context, int maxDraws, int logitRows, int vocabSize) {
        this.context = context;
        ops = new Ops(context);
        repeated = context.allocate(DType.F32, maxDraws, vocabSize);
        rowIndices = context.allocate(DType.I32, maxDraws);
        ids = context.allocate(DType.I32, maxDraws);
        logProbabilities = context.allocate(DType.F32, maxDraws);
        temperature = context.allocate(DType.F32, maxDraws);
        topK = context.allocate(DType.I32, maxDraws);
        topP = context.allocate(DType.F32, maxDraws);
        seeds = context.allocate(DType.I64, maxDraws);
        sequences = context.allocate(DType.I32, maxDraws);
        positions = context.allocate(DType.I32, maxDraws);
        targets = context.allocate(DType.I32, logitRows);
        losses = context.allocate(DType.F32, logitRows);
    }

    /** Bytes that the constructor allocates, but for a few per row. */
    static long bytes(int maxDraws, int vocabSize) {
        return (long) maxDraws * vocabSize * Float.BYTES;
    }

    /** Draws a token for each; at most as many as the constructor was told. */
    Drawn draw(Tensor logits, List<Draw> draws) {
        int m = draws.size();
        float[] temperatures = new float[m];
        int[] ks = new int[m];
        float[] ps = new float[m];
        long[] seedOf = new long[m];
        int[] numbers = new int[m];
        int[] at = new int[m];
        int[] rows = new int[m];
        for (int i = 0; i < m; i++) {
            Sample sample = draws.get(i).sample;
            SamplingParams params = sample.ticket.request.params();
            temperatures[i] = params.temperature();
            ks[i] = params.topK();
            ps[i] = params.topP();
            seedOf[i] = params.seed();
            numbers[i] = sample.number;
            at[i] = sample.length();
            rows[i] = draws.get(i).logitRow;
        }
        context.write(temperature, temperatures);
        context.write(topK, ks);
        context.write(topP, ps);
        context.write(seeds, seedOf);
        context.write(sequences, numbers);
        context.write(positions, at);
        ops.sample(ids.rows(0, m), logProbabilities.rows(0, m), rowsOf(logits, rows),
                new Ops.SampleRows(temperature, topK, topP, seeds, sequences, positions));
        return new Drawn(context.readInts(ids.rows(0, m)), context.readFloats(logProbabilities.rows(0, m)));
    }

    /** The logits themselves where each draw has the row of its own number, else a copy with the rows the draws want. */
    private Tensor rowsOf(Tensor logits, int[] rows) {
        boolean same = rows.length <= logits.size(0);
        for (int i = 0; same && i < rows.length; i++) {
            same = rows[i] == i;
        }
        if (same) {
            return logits.rows(0, rows.length);
        }
        context.write(rowIndices, rows);
        Tensor copy = repeated.rows(0, rows.length);
        ops.gatherRows(copy, logits, rowIndices.rows(0, rows.length));
        return copy;
    }

    /** Log-probabilities of given tokens: of token i in row first + i of the logits. */
    float[] logProbabilities(Tensor logits, int first, int[] tokens) {
        int n = tokens.length;
        context.write(targets, tokens);
        ops.crossEntropy(losses.rows(0, n), null, logits.rows(first, first + n), targets.rows(0, n));
        float[] values = context.readFloats(losses.rows(0, n));
        for (int i = 0; i < n; i++) {
            values[i] = -values[i];
        }
        return values;
    }
}
