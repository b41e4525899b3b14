package org.ingrain.model;

import org.ingrain.ffi.Allocator;
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

    Activations(Allocator memory, Weights weights, Step.Limits limits) {
        Weights.Layer layer = weights.layers().getFirst();
        DType dtype = weights.precision().activations();
        int ranks = weights.rank().count();
        long t = limits.tokens();
        long d = layer.qkvProj().columns();
        h = memory.allocate(dtype, t, d);
        x = memory.allocate(dtype, t, d);
        qkv = memory.allocate(dtype, t, layer.qkvProj().rows());
        attention = memory.allocate(dtype, t, layer.oProj().columns());
        gateUp = memory.allocate(dtype, t, layer.gateUpProj().rows());
        gated = memory.allocate(dtype, t, layer.downProj().columns());
        delta = ranks == 1 ? null : memory.allocate(dtype, t, d);
        partials = ranks == 1 ? null : memory.allocate(DType.F32, Rank.CHUNKS / ranks, t, d);
        selected = memory.allocate(dtype, ranks == 1 ? 2 : 3, limits.logitRows(), d);
        logits = memory.allocate(DType.F32, limits.logitRows(), weights.lmHead().rows());
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
