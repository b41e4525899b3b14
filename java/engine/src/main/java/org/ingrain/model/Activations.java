package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The intermediate tensors of one inference step, allocated for the largest step. F is this rank's share of the
 * intermediate size; H and K are this rank's numbers of query heads and key-value heads.
 *
 * @param h         (T, D) the residual stream
 * @param x         (T, D) the output of a norm
 * @param delta     (T, D) a block's contribution to the residual stream; null if there is only one rank, because the
 *                  matrix product then accumulates into h directly
 * @param qkv       (T, (H + 2K)·E)
 * @param attention (T, H·E)
 * @param gateUp    (T, 2F)
 * @param gated     (T, F) silu(gate)·up
 * @param partials  (chunks, T, D) f32 partial sums of a product with a column-sharded weight; null if there is only one
 *                  rank
 * @param selected  buffers of selected rows: (2, M, D) if there is only one rank, otherwise (3, M, D)
 * @param logits    (M, V) f32
 * @param shared    (M, V / ranks) f32 logits of this rank's share of the vocabulary; null if each rank computes all
 *                  logits
 * @param gathered  (ranks, M, V / ranks) f32 logits of all ranks; null if {@code shared} is null
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
                ranks == 1 ? null : memory.allocateShared(dtype, t, d),
                memory.allocate(dtype, t, w.qkvProj().rows()), memory.allocate(dtype, t, w.oProj().columns()),
                memory.allocate(dtype, t, w.gateUpProj().rows()), memory.allocate(dtype, t, w.downProj().columns()),
                ranks == 1 ? null : memory.allocateShared(DType.F32, w.oProj().chunks(), t, d),
                memory.allocate(dtype, ranks == 1 ? 2 : 3, limits.logitRows(), d),
                memory.allocate(DType.F32, limits.logitRows(), weights.config().vocabSize()),
                weights.headIsShared() ? memory.allocateShared(DType.F32, limits.logitRows(), weights.lmHead().rows())
                        : null,
                weights.headIsShared() ? memory.allocate(DType.F32, limits.logitRows(), weights.config().vocabSize())
                        : null);
    }

    /** Returns these buffers. Each buffer with T rows is reduced to its first t rows. No memory is copied. */
    Activations rows(long t) {
        return new Activations(h.rows(0, t), x.rows(0, t), delta == null ? null : delta.rows(0, t), qkv.rows(0, t),
                attention.rows(0, t), gateUp.rows(0, t), gated.rows(0, t),
                partials == null ? null : partials.view(partials.size(0), t, partials.size(2)), selected, logits,
                shared, gathered);
    }

    /** The i-th buffer of selected rows (M, D). */
    Tensor selected(int i, long m) {
        return selected.rows(i, i + 1).view(m, selected.size(2));
    }
}
