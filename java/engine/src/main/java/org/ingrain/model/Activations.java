package org.ingrain.model;

import org.ingrain.ffi.Context;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The wave that runs through the layers of one inference step, allocated once for the largest step. F is this rank's part of the
 * intermediate size, H and K its heads.
 */
final class Activations {
    private final Tensor h;
    private final Tensor x;
    private final Tensor delta;
    private final Tensor qkv;
    private final Tensor attention;
    private final Tensor gateUp;
    private final Tensor gated;
    private final Tensor partials;
    private final Tensor selected;
    private final Tensor logits;

    /** Sizes in elements of one token's row of each buffer, in this order: h, x, delta, qkv, attention, gateUp, gated. */
    private record Rows(long d, long qkv, long attention, long f) {
        static Rows of(Blueprint c, Rank rank) {
            return new Rows(c.hiddenSize(), (Projection.Q_PROJ.rows(c) + 2 * Projection.K_PROJ.rows(c)) / rank.count(),
                    Projection.O_PROJ.columns(c) / rank.count(), c.intermediateSize() / rank.count());
        }

        long perToken(Rank rank) {
            return (rank.count() == 1 ? 2 : 3) * d + qkv + attention + 3 * f;
        }
    }

    Activations(Context context, Weights weights, Step.Limits limits) {
        Blueprint c = weights.config();
        DType dtype = weights.precision().activations();
        Rows rows = Rows.of(c, weights.rank());
        long t = limits.tokens();
        h = context.allocate(dtype, t, rows.d);
        x = context.allocate(dtype, t, rows.d);
        qkv = context.allocate(dtype, t, rows.qkv);
        attention = context.allocate(dtype, t, rows.attention);
        gateUp = context.allocate(dtype, t, 2 * rows.f);
        gated = context.allocate(dtype, t, rows.f);
        int ranks = weights.rank().count();
        delta = ranks == 1 ? null : context.allocate(dtype, t, rows.d);
        partials = ranks == 1 ? null : context.allocate(DType.F32, Rank.CHUNKS / ranks, t, rows.d);
        selected = context.allocate(dtype, selectedBuffers(weights.rank()), limits.logitRows(), rows.d);
        logits = context.allocate(DType.F32, limits.logitRows(), c.vocabSize());
    }

    private static long selectedBuffers(Rank rank) {
        return rank.count() == 1 ? 2 : 3;
    }

    /** Bytes that the constructor allocates. */
    static long bytes(Blueprint c, Precision precision, Rank rank, Step.Limits limits) {
        Rows rows = Rows.of(c, rank);
        long dtype = precision.activations().bytes();
        long partials = rank.count() == 1 ? 0 : (long) Rank.CHUNKS / rank.count() * limits.tokens() * rows.d * Float.BYTES;
        return limits.tokens() * rows.perToken(rank) * dtype + partials
                + limits.logitRows() * (selectedBuffers(rank) * rows.d * dtype + (long) c.vocabSize() * Float.BYTES);
    }

    /** (T, D) the residual stream. */
    Tensor h(int t) {
        return h.rows(0, t);
    }

    /** (T, D) a norm's output. */
    Tensor x(int t) {
        return x.rows(0, t);
    }

    /** (T, D) what a block adds to the residual stream; null on a single rank, where the block's product adds itself. */
    Tensor delta(int t) {
        return delta == null ? null : delta.rows(0, t);
    }

    /** (T, (H + 2K)·E). */
    Tensor qkv(int t) {
        return qkv.rows(0, t);
    }

    /** (T, H·E). */
    Tensor attention(int t) {
        return attention.rows(0, t);
    }

    /** (T, 2F). */
    Tensor gateUp(int t) {
        return gateUp.rows(0, t);
    }

    /** (T, F) silu(gate)·up. */
    Tensor gated(int t) {
        return gated.rows(0, t);
    }

    /** (chunks, T, D) f32 partial sums of a row-parallel product; null on a single rank. */
    Tensor partials(int t) {
        return partials.view(partials.size(0), t, partials.size(2));
    }

    /** (M, D) the i-th of two buffers of selected rows, of three over several ranks. */
    Tensor selected(int i, int m) {
        return selected.rows(i, i + 1).view(m, selected.size(2));
    }

    /** (M, V) f32. */
    Tensor logits(int m) {
        return logits.rows(0, m);
    }
}
