package org.ingrain.ops;

import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.OpBindings;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The operations of {@code ingrain.h} with their shapes checked by name. Each enqueues one op on the context's stream. Outputs come
 * first. Letters: T tokens, M rows, D hidden, F intermediate, H query heads, K key-value heads, E head_dim, V vocabulary, R LoRA rank,
 * G adapter slots, N output and C input features. A shape that does not fit is an IllegalArgumentException that names it: a fault of
 * the caller, never of the user's input.
 */
public final class Ops {
    private final OpBindings bindings;

    public Ops(Context context) {
        this(context, context.backend());
    }

    /** The ops of {@code kernels}, the context's library with other overlays, on this context. */
    public Ops(Context context, Backend kernels) {
        bindings = new OpBindings(context, kernels);
    }

    /**
     * Head counts and head size of an attention layer.
     *
     * @param h     query heads
     * @param k     key-value heads; divides h
     * @param e     head_dim
     * @param scale factor of the scores, usually 1/√E
     */
    public record Heads(long h, long k, long e, float scale) {
        /** Columns of a fused q, k, v row: (H + 2K)·E. */
        public long columns() {
            return (h + 2 * k) * e;
        }
    }

    /**
     * Dropout of a LoRA input.
     *
     * @param probability of dropping an element; 0 for none
     * @param seed        of the mask: the same seed gives the same mask in forward and backward
     */
    public record Dropout(float probability, long seed) {
        public static final Dropout NONE = new Dropout(0, 0);
    }

    /** y (n) = Σ over ranks and chunks of partials (chunks, n), one order. */
    public void allReduce(Tensor y, Tensor partials, long chunks) {
        Shapes.elements("partials", partials, chunks * y.elements());
        bindings.allReduce(y, partials, y.dtype().code(), chunks, y.elements());
    }

    /** y (ranks, n) = every rank's x (n). */
    public void allGather(Tensor y, Tensor x) {
        Shapes.dtype("y", y, x.dtype());
        bindings.allGather(y, x, x.bytes());
    }

    /** Writes source (rows, C) into rows [row, row + rows) of w, converted to w's dtype. */
    public void pack(Weight w, Tensor source, long row) {
        Shapes.matrix("source", source, source.size(0), w.columns());
        if (row < 0 || row + source.size(0) > w.rows()) {
            throw new IllegalArgumentException("rows from " + row + " of source " + source + " leave " + w);
        }
        bindings.pack(w, source, source.dtype().code(), row, source.size(0), w.columns());
    }

    /** y = x, converted. */
    public void convert(Tensor y, Tensor x) {
        Shapes.elements("y", y, x.elements());
        bindings.convert(y, x, y.dtype().code(), x.dtype().code(), x.elements());
    }

    /** y (T, D) = rows ids (T) of table (V, D). */
    public void embedding(Tensor y, Tensor ids, Weight table) {
        Shapes.matrix("y", y, ids.elements(), table.columns());
        Shapes.dtype("ids", ids, DType.I32);
        bindings.embeddingForward(y, ids, table, y.dtype().code(), ids.elements());
    }

    /** dtable (V, D) f32 += dy (T, D) at rows ids (T). */
    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids) {
        Shapes.matrix("dy", dy, ids.elements(), dtable.size(1));
        Shapes.dtype("dtable", dtable, DType.F32);
        bindings.embeddingBackward(dtable, dy, ids, dy.dtype().code(), ids.elements(), dtable.size(1));
    }

    /** y (M, D) = x (T, D)[rows (M)]. */
    public void gatherRows(Tensor y, Tensor x, Tensor rows) {
        Shapes.matrix("y", y, rows.elements(), x.size(1));
        Shapes.dtype("y", y, x.dtype());
        bindings.gatherRowsForward(y, x, rows, x.dtype().code(), rows.elements(), x.size(1));
    }

    /** dx (T, D) = 0, then dx[rows (M)] += dy (M, D). */
    public void gatherRowsBackward(Tensor dx, Tensor dy, Tensor rows) {
        Shapes.matrix("dy", dy, rows.elements(), dx.size(1));
        Shapes.dtype("dx", dx, dy.dtype());
        bindings.gatherRowsBackward(dx, dy, rows, dy.dtype().code(), rows.elements(), dx.size(0), dx.size(1));
    }

    /** y (T, D) = x·rstd·w (D); rstd (T) or null. */
    public void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) {
        Shapes.like("y", y, x);
        Shapes.norm(rstd, w, x);
        bindings.rmsNormForward(y, rstd, x, w, x.dtype().code(), x.size(0), x.size(1), eps);
    }

    /** h = x + residual, y = rmsNorm(h), all (T, D); h may be x or residual. */
    public void addRmsNorm(Tensor y, Tensor h, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) {
        Shapes.like("y", y, x);
        Shapes.like("h", h, x);
        Shapes.like("residual", residual, x);
        Shapes.norm(rstd, w, x);
        bindings.addRmsNormForward(y, h, rstd, x, residual, w, x.dtype().code(), x.size(0), x.size(1), eps);
    }

    /** dx = dresidual + the gradient of x, (T, D); dresidual or dw (D) f32 may be null. */
    public void rmsNormBackward(Tensor dx, Tensor dw, Tensor dy, Tensor dresidual, Tensor x, Tensor w, Tensor rstd) {
        Shapes.like("dx", dx, x);
        Shapes.like("dy", dy, x);
        Shapes.norm(rstd, w, x);
        bindings.rmsNormBackward(dx, dw, dy, dresidual, x, w, rstd, x.dtype().code(), x.size(0), x.size(1));
    }

    /** y (T, N) = x (T, C)·Wᵀ. */
    public void matmul(Tensor y, Tensor x, Weight w) {
        matmul(y, x, w, 0);
    }

    /** y (T, N) = beta·y + x (T, C)·Wᵀ; beta 0 does not read y. */
    public void matmul(Tensor y, Tensor x, Weight w, float beta) {
        Shapes.matrix("x", x, x.size(0), w.columns());
        Shapes.matrix("y", y, x.size(0), w.rows());
        bindings.matmulForward(y, x, w, x.dtype().code(), y.dtype().code(), x.size(0), beta);
    }

    /** partials (C / chunk, T, N) f32: one product per chunk of w. */
    public void matmulPartial(Tensor partials, Tensor x, Weight w) {
        Shapes.matrix("x", x, x.size(0), w.columns());
        Shapes.elements("partials", partials, w.columns() / w.chunk() * x.size(0) * w.rows());
        bindings.matmulPartialForward(partials, x, w, x.dtype().code(), x.size(0));
    }

    /** dx (T, C) = beta·dx + dy (T, N)·W. */
    public void matmulBackward(Tensor dx, Tensor dy, Weight w, float beta) {
        Shapes.matrix("dy", dy, dy.size(0), w.rows());
        Shapes.matrix("dx", dx, dy.size(0), w.columns());
        bindings.matmulBackward(dx, dy, w, dy.dtype().code(), dx.dtype().code(), dy.size(0), beta);
    }

    /** dw (N, C) f32 += dy (T, N)ᵀ·x (T, C). */
    public void matmulWeightBackward(Tensor dw, Tensor dy, Tensor x) {
        Shapes.matrix("dw", dw, dy.size(1), x.size(1));
        Shapes.matrix("x", x, dy.size(0), dw.size(1));
        Shapes.dtype("x", x, dy.dtype());
        bindings.matmulWeightBackward(dw, dy, x, dy.dtype().code(), dy.size(0), dy.size(1), x.size(1));
    }

    /** Rotates q and k of qkv (T, (H + 2K)·E) in place by table (positions, E). */
    public void rope(Tensor qkv, Tensor table, Tensor positions, Heads heads) {
        Shapes.matrix("qkv", qkv, qkv.size(0), heads.columns());
        bindings.ropeForward(qkv, table, positions, qkv.dtype().code(), qkv.size(0), heads.h(), heads.k(), heads.e());
    }

    /** Rotates dq and dk of dqkv back, in place. */
    public void ropeBackward(Tensor dqkv, Tensor table, Tensor positions, Heads heads) {
        Shapes.matrix("dqkv", dqkv, dqkv.size(0), heads.columns());
        bindings.ropeBackward(dqkv, table, positions, dqkv.dtype().code(), dqkv.size(0), heads.h(), heads.k(), heads.e());
    }

    /** Stores k and v of every row of qkv in one layer's cache; the cache's dtype is the tensor's. */
    public void kvCacheWrite(Tensor cache, Tensor qkv, Batch batch, Heads heads) {
        Shapes.matrix("qkv", qkv, batch.tokens(), heads.columns());
        bindings.kvCacheWrite(cache, qkv, batch, qkv.dtype().code(), cache.dtype().code(), heads.h(), heads.k(), heads.e());
    }

    /** Copies blocks in every layer of cache (L, blocks, elements a block): pairs (n, 2) of source and destination. */
    public void kvCacheCopy(Tensor cache, Tensor pairs, long n) {
        long blockBytes = cache.size(2) * cache.dtype().bytes();
        bindings.kvCacheCopy(cache, pairs, n, blockBytes, cache.size(1) * blockBytes, cache.size(0));
    }

    /** y (T, H·E): attention of every row over its sequence's cached positions, its own included. */
    public void attentionPaged(Tensor y, Tensor qkv, Tensor cache, Batch batch, Heads heads) {
        Shapes.matrix("qkv", qkv, batch.tokens(), heads.columns());
        Shapes.matrix("y", y, batch.tokens(), heads.h() * heads.e());
        Shapes.dtype("y", y, qkv.dtype());
        bindings.attentionPagedForward(y, qkv, cache, batch, qkv.dtype().code(), cache.dtype().code(), heads.h(), heads.k(), heads.e(),
                heads.scale());
    }

    /** y (T, H·E), lse (T, H) f32: causal attention within each packed sequence, offsets (S + 1). */
    public void attention(Tensor y, Tensor lse, Tensor qkv, Tensor offsets, Heads heads) {
        Shapes.matrix("qkv", qkv, qkv.size(0), heads.columns());
        Shapes.matrix("y", y, qkv.size(0), heads.h() * heads.e());
        Shapes.matrix("lse", lse, qkv.size(0), heads.h());
        bindings.attentionForward(y, lse, qkv, offsets, qkv.dtype().code(), offsets.elements() - 1, heads.h(), heads.k(), heads.e(),
                heads.scale());
    }

    /**
     * What the forward pass of {@link #attention} read and left.
     *
     * @param qkv     (T, (H + 2K)·E) after rope
     * @param y       (T, H·E)
     * @param lse     (T, H) f32
     * @param offsets (S + 1) I32
     */
    public record AttentionState(Tensor qkv, Tensor y, Tensor lse, Tensor offsets) {
    }

    /** dqkv (T, (H + 2K)·E) is set; delta (T, H) f32 is scratch. */
    public void attentionBackward(Tensor dqkv, Tensor delta, Tensor dy, AttentionState forward, Heads heads) {
        Shapes.like("dqkv", dqkv, forward.qkv());
        Shapes.like("dy", dy, forward.y());
        Shapes.like("delta", delta, forward.lse());
        bindings.attentionBackward(dqkv, delta, dy, forward.qkv(), forward.y(), forward.lse(), forward.offsets(), dy.dtype().code(),
                forward.offsets().elements() - 1, heads.h(), heads.k(), heads.e(), heads.scale());
    }

    /** y (T, F) = silu(gate)·up of gateUp (T, 2F). */
    public void siluMul(Tensor y, Tensor gateUp) {
        Shapes.matrix("gateUp", gateUp, y.size(0), 2 * y.size(1));
        Shapes.dtype("gateUp", gateUp, y.dtype());
        bindings.siluMulForward(y, gateUp, y.dtype().code(), y.size(0), y.size(1));
    }

    /** dgateUp (T, 2F) from dy (T, F). */
    public void siluMulBackward(Tensor dgateUp, Tensor dy, Tensor gateUp) {
        Shapes.like("dgateUp", dgateUp, gateUp);
        Shapes.matrix("gateUp", gateUp, dy.size(0), 2 * dy.size(1));
        bindings.siluMulBackward(dgateUp, dy, gateUp, dy.dtype().code(), dy.size(0), dy.size(1));
    }

    /** y (T, F) = silu(gate)·up, gate and up the halves of x (T, C)·Wᵀ; gateUp (T, 2F) is scratch, undefined afterwards. */
    public void matmulSiluMul(Tensor y, Tensor gateUp, Tensor x, Weight w) {
        Shapes.matrix("x", x, x.size(0), w.columns());
        Shapes.matrix("y", y, x.size(0), w.rows() / 2);
        Shapes.matrix("gateUp", gateUp, x.size(0), w.rows());
        Shapes.dtype("y", y, x.dtype());
        Shapes.dtype("gateUp", gateUp, x.dtype());
        bindings.matmulSiluMulForward(y, gateUp, x, w, x.dtype().code(), x.size(0));
    }

    /** u (T, R) f32 = dropout(x (T, C))·Aᵀ, A (G, R, C); slots (T) or null: adapter 0 for all. */
    public void loraDown(Tensor u, Tensor x, Tensor a, Tensor slots, Dropout dropout) {
        Shapes.matrix("u", u, x.size(0), a.size(1));
        Shapes.matrix("x", x, u.size(0), a.size(2));
        bindings.loraDownForward(u, x, a, slots, x.dtype().code(), x.size(0), a.size(2), a.size(1), dropout.probability(), dropout.seed());
    }

    /** y (T, N) of row distance y.size(1) += scaling (G)·u (T, R)·Bᵀ, B (G, N, R). */
    public void loraUp(Tensor y, Tensor u, Tensor b, Tensor scaling, Tensor slots) {
        Shapes.matrix("u", u, y.size(0), b.size(2));
        bindings.loraUpForward(y, u, b, scaling, slots, y.dtype().code(), y.size(0), b.size(1), b.size(2), y.size(1));
    }

    /** du (T, R) = scaling·dy·B, dB (1, N, R) += scaling·dyᵀ·u; dy has row distance dy.size(1). */
    public void loraUpBackward(Tensor du, Tensor db, Tensor dy, Tensor u, Tensor b, float scaling) {
        Shapes.like("du", du, u);
        Shapes.like("dB", db, b);
        bindings.loraUpBackward(du, db, dy, u, b, dy.dtype().code(), dy.size(0), b.size(1), b.size(2), dy.size(1), scaling);
    }

    /** dx (T, C) += through the mask, or null; dA (1, R, C) += duᵀ·dropout(x). */
    public void loraDownBackward(Tensor dx, Tensor da, Tensor du, Tensor x, Tensor a, Dropout dropout) {
        Shapes.like("dA", da, a);
        Shapes.matrix("du", du, x.size(0), a.size(1));
        bindings.loraDownBackward(dx, da, du, x, a, x.dtype().code(), x.size(0), a.size(2), a.size(1), dropout.probability(), dropout.seed());
    }

    /** loss (M) = −log softmax(logits (M, V))[targets (M)]; lse (M) or null. */
    public void crossEntropy(Tensor loss, Tensor lse, Tensor logits, Tensor targets) {
        Shapes.elements("loss", loss, logits.size(0));
        Shapes.elements("targets", targets, logits.size(0));
        bindings.crossEntropyForward(loss, lse, logits, targets, logits.size(0), logits.size(1));
    }

    /** dlogits (M, V) = scale·(softmax − one-hot); dlogits may be logits. */
    public void crossEntropyBackward(Tensor dlogits, Tensor logits, Tensor lse, Tensor targets, float scale) {
        Shapes.matrix("dlogits", dlogits, logits.size(0), logits.size(1));
        Shapes.elements("lse", lse, logits.size(0));
        bindings.crossEntropyBackward(dlogits, logits, lse, targets, dlogits.dtype().code(), logits.size(0), logits.size(1), scale);
    }

    /** norm (1) = √Σ x². */
    public void gradientNorm(Tensor norm, Tensor x) {
        Shapes.dtype("x", x, DType.F32);
        bindings.gradientNorm(norm, x, x.elements());
    }

    /** x *= min(1, maxNorm / (norm + 1e-6)). */
    public void gradientClip(Tensor x, Tensor norm, float maxNorm) {
        Shapes.dtype("x", x, DType.F32);
        bindings.gradientClip(x, norm, x.elements(), maxNorm);
    }

    /**
     * Coefficients of one AdamW step.
     *
     * @param learningRate of this step
     * @param beta1        decay of the first moment
     * @param beta2        decay of the second moment
     * @param eps          added to the root of the second moment
     * @param weightDecay  decoupled decay, times the learning rate
     */
    public record AdamW(float learningRate, float beta1, float beta2, float eps, float weightDecay) {
    }

    /** One AdamW step over p, m, v, g (n) f32; step counts from 1. */
    public void adamw(Tensor p, Tensor m, Tensor v, Tensor g, long step, AdamW c) {
        Shapes.elements("m", m, p.elements());
        Shapes.elements("v", v, p.elements());
        Shapes.elements("g", g, p.elements());
        bindings.adamw(p, m, v, g, p.elements(), step, c.learningRate(), c.beta1(), c.beta2(), c.eps(), c.weightDecay());
    }

    /**
     * Per-row settings of {@link #sample}, all (M).
     *
     * @param temperature f32, 0 for greedy
     * @param topK        i32, 0 for no limit
     * @param topP        f32, 1 for no limit
     * @param seeds       i64
     * @param sequences   i32
     * @param positions   i32: seed, sequence and position key the random number
     */
    public record SampleRows(Tensor temperature, Tensor topK, Tensor topP, Tensor seeds, Tensor sequences, Tensor positions) {
    }

    /** ids (M), logProbabilities (M) or null, from logits (M, V) f32. */
    public void sample(Tensor ids, Tensor logProbabilities, Tensor logits, SampleRows rows) {
        Shapes.elements("ids", ids, logits.size(0));
        Shapes.dtype("logits", logits, DType.F32);
        bindings.sample(ids, logProbabilities, logits, rows.temperature(), rows.topK(), rows.topP(), rows.seeds(), rows.sequences(),
                rows.positions(), logits.size(0), logits.size(1));
    }

    /** ids (T) = drawn[source] where source (T) is 0 or more, else given (T); all I32. */
    public void selectIds(Tensor ids, Tensor given, Tensor source, Tensor drawn) {
        Shapes.dtype("ids", ids, DType.I32);
        Shapes.like("given", given, ids);
        Shapes.like("source", source, ids);
        Shapes.dtype("drawn", drawn, DType.I32);
        bindings.selectIds(ids, given, source, drawn, ids.elements());
    }

    /** y = normal(0, std), element i keyed by (seed, i). */
    public void randomNormal(Tensor y, float std, long seed) {
        bindings.randomNormal(y, y.dtype().code(), y.elements(), std, seed);
    }
}
