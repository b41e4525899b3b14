package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * What one inference step computes on its way through the layers, allocated for the largest step. F is this rank's
 * part of the intermediate size, H and K its heads.
 *
 * @param h         (T, D) the residual stream
 * @param x         (T, D) a norm's output
 * @param delta     (T, D) what a block adds to the residual stream; null on a single rank: the product adds itself
 * @param qkv       (T, (H + 2K)·E)
 * @param attention (T, H·E)
 * @param gateUp    (T, 2F)
 * @param gated     (T, F) silu(gate)·up
 * @param partials  (chunks, T, D) f32 partial sums of a row-parallel product; null on a single rank
 * @param selected  (2, M, D) buffers of selected rows, 3 over several ranks
 * @param logits    (M, V) f32
 * @param shared    (M, V / ranks) f32 the logits of this rank's share of the vocabulary; null where it has all
 * @param gathered  (ranks, M, V / ranks) f32 those of every rank; null like shared
 */
record Activations(Tensor h, Tensor x, Tensor delta, Tensor qkv, Tensor attention, Tensor gateUp, Tensor gated,
                   Tensor partials, Tensor selected, Tensor logits, Tensor shared, Tensor gathered) {
    static Activations allocate(Allocator memory, Weights weights, Step.Limits limits) {
        Weights.Layer w = weights.layers().getFirst();
        DType dtype = weights.precision().activations();
        int ranks = weights.rank().count();
        long t = limits.tokens();
        long d = w.oProj().rows();
        return new Activations(memory.allocate(dtype, t, d), memory.allocate(dtype, t, d),
                ranks == 1 ? null : memory.allocate(dtype, t, d),
                memory.allocate(dtype, t, w.qkvProj().rows()), memory.allocate(dtype, t, w.oProj().columns()),
                memory.allocate(dtype, t, w.gateUpProj().rows()), memory.allocate(dtype, t, w.downProj().columns()),
                ranks == 1 ? null : memory.allocate(DType.F32, Rank.CHUNKS / ranks, t, d),
                memory.allocate(dtype, ranks == 1 ? 2 : 3, limits.logitRows(), d),
                memory.allocate(DType.F32, limits.logitRows(), weights.config().vocabSize()),
                weights.headIsShared() ? memory.allocate(DType.F32, limits.logitRows(), weights.lmHead().rows()) : null,
                weights.headIsShared() ? memory.allocate(DType.F32, limits.logitRows(), weights.config().vocabSize())
                        : null);
    }

    /** (M, D) the i-th buffer of selected rows. */
    Tensor selected(int i, long m) {
        return selected.rows(i, i + 1).view(m, selected.size(2));
    }
}
