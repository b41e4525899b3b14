package org.ingrain.ops;

import static org.ingrain.ops.Shapes.ANY;

import java.util.Objects;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.OpBindings;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The operations of {@code ingrain.h}. Each method checks the shapes and types of its tensors and enqueues one op on
 * the context's stream. Outputs are the first parameters. Letters denote sizes: T tokens, M rows, D hidden size, F
 * intermediate size, H query heads, K key-value heads, E head_dim, V vocabulary, R LoRA rank, G adapter slots, N output
 * features, C input features, S sequences, L layers.
 *
 * <p>If a shape or type is wrong, a method throws an IllegalArgumentException that names the tensor. The cause is then
 * a bug in the calling code, not the user's input. If the backend fails, a method throws a BackendException.
 */
public final class Ops {
    private final Context context;
    private final OpBindings bindings;
    private final FusedOps fused;

    public Ops(Context context) {
        this(context, context.backend());
    }

    /** Binds the ops of {@code kernels}, which is the context's backend or the same backend with other overlays. */
    public Ops(Context context, Backend kernels) {
        this.context = context;
        bindings = new OpBindings(context, kernels);
        fused = new FusedOps(this, bindings, context, kernels.overlaid().keySet());
    }

    /** Ops that compute the same as several ops of this class. */
    public FusedOps fused() {
        return fused;
    }

    /**
     * Head counts and head size of an attention layer.
     *
     * @param h     query heads
     * @param k     key-value heads; divides h
     * @param e     head_dim
     * @param scale factor of the attention scores, usually 1/√E
     */
    public record Heads(long h, long k, long e, float scale) {
        /** Columns of a fused q, k, v row: (H + 2K)·E. */
        public long columns() {
            return (h + 2 * k) * e;
        }
    }

    /**
     * Sets y (n) to the sum of partials (chunks, n) f32 over all ranks and chunks. The order of summation is fixed,
     * unless NCCL computes the sum.
     */
    public void allReduce(Tensor y, Tensor partials, long chunks) {
        Shapes.elements("partials", partials, DType.F32, chunks * y.elements());
        bindings.allReduce(y, partials, y.dtype().code(), chunks, y.elements());
    }

    /** Copies x (n) of every rank to y (ranks, n), in rank order. */
    public void allGather(Tensor y, Tensor x) {
        Shapes.elements("y", y, x.dtype(), y.elements() / Math.max(1, x.elements()) * x.elements());
        bindings.allGather(y, x, x.bytes());
    }

    /** Sets y (n) to this rank's slice of the result of {@link #allReduce} for partials (chunks, ranks·n) f32. */
    public void reduceScatter(Tensor y, Tensor partials, long chunks) {
        long slice = Math.max(1, chunks * y.elements());
        Shapes.elements("partials", partials, DType.F32, partials.elements() / slice * slice);
        bindings.reduceScatter(y, partials, y.dtype().code(), chunks, y.elements());
    }

    /** Copies x of rank {@code root} to y on every rank. The x of other ranks is not read; y may be x. */
    public void broadcast(Tensor y, Tensor x, int root) {
        Shapes.elements("y", y, x.dtype(), x.elements());
        bindings.broadcast(y, x, x.bytes(), root);
    }

    /** Writes source (rows, C) to rows [row, row + rows) of w, converted to w's dtype. */
    public void pack(Weight w, Tensor source, long row) {
        Shapes.matrix("source", source, ANY, w.columns());
        if (row < 0 || row + source.size(0) > w.rows()) {
            throw Shapes.refused("source", source, "rows within " + w + " (first row " + row + ")");
        }
        bindings.pack(w, source, source.dtype().code(), row, source.size(0), w.columns());
    }

    /**
     * Writes rows [row, row + rows) of an INT8 or INT4 weight. The three sources are row-major.
     *
     * @param values INT8: (rows, C); INT4: (rows, ⌈C / 2⌉) bytes with two columns each, the even column in the low bits
     * @param scales (rows, ⌈C / group⌉) F16
     * @param zeros  the zero points (rows, ⌈C / group⌉), as unsigned bytes; null if w has none
     */
    public void packQuantized(Weight w, Tensor values, Tensor scales, Tensor zeros, long row) {
        Shapes.quantized(w, values, scales, zeros);
        if (row < 0 || row + values.size(0) > w.rows()) {
            throw Shapes.refused("values", values, "rows within " + w + " (first row " + row + ")");
        }
        bindings.packQuantized(w, values, scales, w.format().zeros() ? zeros : null, row, values.size(0));
    }

    /** Copies x to y, converted to y's dtype. */
    public void convert(Tensor y, Tensor x) {
        Shapes.elements("y", y, y.dtype(), x.elements());
        bindings.convert(y, x, y.dtype().code(), x.dtype().code(), x.elements());
    }

    /** Copies row ids[t] of table (V, D) to row t of y (T, D), for each t of ids (T). */
    public void embedding(Tensor y, Tensor ids, Weight table) {
        Shapes.matrix("y", y, ANY, table.columns());
        Shapes.vector("ids", ids, DType.I32, y.size(0));
        bindings.embeddingForward(y, ids, table, y.dtype().code(), y.size(0));
    }

    /** Adds row t of dy (T, D) to row ids[t] of dtable (V, D) f32, for each t of ids (T). */
    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids) {
        Shapes.matrix("dtable", dtable, DType.F32, ANY, ANY);
        Shapes.matrix("dy", dy, ANY, dtable.size(1));
        Shapes.vector("ids", ids, DType.I32, dy.size(0));
        bindings.embeddingBackward(dtable, dy, ids, dy.dtype().code(), dy.size(0), dy.size(1));
    }

    /** Copies row rows[m] of x (T, D) to row m of y (M, D), for each m of rows (M). */
    public void gatherRows(Tensor y, Tensor x, Tensor rows) {
        Shapes.matrix("x", x, ANY, ANY);
        Shapes.matrix("y", y, x.dtype(), ANY, x.size(1));
        Shapes.vector("rows", rows, DType.I32, y.size(0));
        bindings.gatherRowsForward(y, x, rows, x.dtype().code(), y.size(0), x.size(1));
    }

    /** Sets dx (T, D) to 0, then adds row m of dy (M, D) to row rows[m] of dx, for each m of rows (M). */
    public void gatherRowsBackward(Tensor dx, Tensor dy, Tensor rows) {
        Shapes.matrix("dy", dy, ANY, ANY);
        Shapes.matrix("dx", dx, dy.dtype(), ANY, dy.size(1));
        Shapes.vector("rows", rows, DType.I32, dy.size(0));
        bindings.gatherRowsBackward(dx, dy, rows, dy.dtype().code(), dy.size(0), dx.size(0), dx.size(1));
    }

    /** Sets y (T, D) to x·rstd·w, with w (D). Sets rstd (T) f32, unless null, to 1 / √(mean of x² + eps). */
    public void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) {
        Shapes.norm(rstd, w, x);
        Shapes.like("y", y, x);
        bindings.rmsNormForward(y, rstd, x, w, x.dtype().code(), x.size(0), x.size(1), eps);
    }

    /** Sets h (T, D) to x + residual, then y (T, D) to the norm of h as in {@link #rmsNorm}. h may be x or residual. */
    public void addRmsNorm(Tensor y, Tensor h, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) {
        Shapes.norm(rstd, w, x);
        Shapes.like("y", y, x);
        Shapes.like("h", h, x);
        Shapes.like("residual", residual, x);
        bindings.addRmsNormForward(y, h, rstd, x, residual, w, x.dtype().code(), x.size(0), x.size(1), eps);
    }

    /**
     * Sets dx (T, D) to x's gradient plus dresidual; adds w's gradient to dw (D) f32. {@code dresidual} and {@code dw}
     * may be null.
     */
    public void rmsNormBackward(Tensor dx, Tensor dw, Tensor dy, Tensor dresidual, Tensor x, Tensor w, Tensor rstd) {
        Shapes.norm(Objects.requireNonNull(rstd, "rstd"), w, x);
        Shapes.like("dx", dx, x);
        Shapes.like("dy", dy, x);
        Shapes.optional("dw", dw, DType.F32, x.size(1));
        if (dresidual != null) {
            Shapes.like("dresidual", dresidual, x);
        }
        bindings.rmsNormBackward(dx, dw, dy, dresidual, x, w, rstd, x.dtype().code(), x.size(0), x.size(1));
    }

    /** Sets y (T, N) to x (T, C)·Wᵀ. */
    public void matmul(Tensor y, Tensor x, Weight w) {
        matmul(y, x, w, 0);
    }

    /** Sets y (T, N) to beta·y + x (T, C)·Wᵀ. If beta is 0, y is not read. */
    public void matmul(Tensor y, Tensor x, Weight w, float beta) {
        Shapes.matrix("x", x, ANY, w.columns());
        Shapes.matrix("y", y, x.size(0), w.rows());
        bindings.matmulForward(y, x, w, x.dtype().code(), y.dtype().code(), x.size(0), beta);
    }

    /** Sets partials[i] of (C / chunk, T, N) f32 to the product x·Wᵀ over chunk i of w's columns, for each chunk. */
    public void matmulPartial(Tensor partials, Tensor x, Weight w) {
        if (w.chunk() == 0) {
            throw new IllegalArgumentException("w is " + w + " with chunk 0, expected a weight with partial sums");
        }
        Shapes.matrix("x", x, ANY, w.columns());
        Shapes.matrices("partials", partials, DType.F32, w.columns() / w.chunk(), x.size(0), w.rows());
        bindings.matmulPartialForward(partials, x, w, x.dtype().code(), x.size(0));
    }

    /** Sets dx (T, C) to beta·dx + dy (T, N)·W. If beta is 0, dx is not read. */
    public void matmulBackward(Tensor dx, Tensor dy, Weight w, float beta) {
        Shapes.matrix("dy", dy, ANY, w.rows());
        Shapes.matrix("dx", dx, dy.size(0), w.columns());
        bindings.matmulBackward(dx, dy, w, dy.dtype().code(), dx.dtype().code(), dy.size(0), beta);
    }

    /** Adds dyᵀ·x to dw (N, C) f32, with dy (T, N) and x (T, C). */
    public void matmulWeightBackward(Tensor dw, Tensor dy, Tensor x) {
        Shapes.matrix("dy", dy, ANY, ANY);
        Shapes.matrix("x", x, dy.dtype(), dy.size(0), ANY);
        Shapes.matrix("dw", dw, DType.F32, dy.size(1), x.size(1));
        bindings.matmulWeightBackward(dw, dy, x, dy.dtype().code(), dy.size(0), dy.size(1), x.size(1));
    }

    /** Adds b (N) to every row of y (T, N). */
    public void addBias(Tensor y, Tensor b) {
        Shapes.matrix("y", y, ANY, ANY);
        Shapes.vector("b", b, y.dtype(), y.size(1));
        bindings.addBiasForward(y, b, y.dtype().code(), y.size(0), y.size(1));
    }

    /** Adds the sum of the rows of dy (T, N) to db (N) f32. */
    public void addBiasBackward(Tensor db, Tensor dy) {
        Shapes.matrix("dy", dy, ANY, ANY);
        Shapes.vector("db", db, DType.F32, dy.size(1));
        bindings.addBiasBackward(db, dy, dy.dtype().code(), dy.size(0), dy.size(1));
    }

    /**
     * Sets y (T, (H + 2K)·E) to x, with each query head and each key head normalised as {@link #rmsNorm} does. y may be
     * x. {@code rstd} (T, H + K) may be null.
     */
    public void qkNorm(Tensor y, Tensor rstd, Tensor x, QkNorm w, Heads heads, float eps) {
        Shapes.like("y", y, x);
        Shapes.normedHeads(rstd, x, w, heads);
        bindings.qkNormForward(y, rstd, x, w.q(), w.k(), x.dtype().code(), x.size(0), heads.h(), heads.k(), heads.e(),
                eps);
    }

    /**
     * On entry, dx (T, (H + 2K)·E) is the gradient of y; the op replaces it by the gradient of x. Adds the gradients of
     * the weights to the two vectors (E) f32 of dw. Both vectors are null or both are not null.
     */
    public void qkNormBackward(Tensor dx, QkNorm dw, Tensor x, QkNorm w, Tensor rstd, Heads heads) {
        Shapes.like("dx", dx, x);
        Shapes.normedHeads(Objects.requireNonNull(rstd, "rstd"), x, w, heads);
        Shapes.optional("dq_norm", dw.q(), DType.F32, heads.e());
        Shapes.optional("dk_norm", dw.k(), DType.F32, heads.e());
        bindings.qkNormBackward(dx, dw.q(), dw.k(), x, w.q(), w.k(), rstd, x.dtype().code(), x.size(0), heads.h(),
                heads.k(), heads.e());
    }

    /** Rotates q and k in row t of qkv (T, (H + 2K)·E) in place, by row positions[t] of the angle table (P, E) f32. */
    public void rope(Tensor qkv, Tensor table, Tensor positions, Heads heads) {
        Shapes.rotation("qkv", qkv, table, positions, heads);
        bindings.ropeForward(qkv, table, positions, qkv.dtype().code(), qkv.size(0), heads.h(), heads.k(), heads.e());
    }

    /** Rotates dq and dk of dqkv (T, (H + 2K)·E) in place, in the opposite direction of {@link #rope}. */
    public void ropeBackward(Tensor dqkv, Tensor table, Tensor positions, Heads heads) {
        Shapes.rotation("dqkv", dqkv, table, positions, heads);
        bindings.ropeBackward(dqkv, table, positions, dqkv.dtype().code(), dqkv.size(0), heads.h(), heads.k(),
                heads.e());
    }

    /**
     * Stores k and v of every row of qkv (T, (H + 2K)·E) in one layer's cache (blocks, elements per block), converted
     * to the cache's dtype.
     */
    public void kvCacheWrite(Tensor cache, Tensor qkv, Batch batch, Heads heads) {
        cached(qkv, cache, batch, heads);
        bindings.kvCacheWrite(cache, qkv, batch, qkv.dtype().code(), cache.dtype().code(), heads.h(), heads.k(),
                heads.e());
    }

    /**
     * Copies n blocks in every layer of cache (L, blocks, elements per block). {@code pairs} (2n) I32 contains
     * alternately the source and the destination of each copy.
     */
    public void kvCacheCopy(Tensor cache, Tensor pairs) {
        Shapes.matrices("cache", cache, cache.dtype(), ANY, ANY, ANY);
        Shapes.vector("pairs", pairs, DType.I32, pairs.elements() / 2 * 2);
        long blockBytes = cache.size(2) * cache.dtype().bytes();
        bindings.kvCacheCopy(cache, pairs, pairs.elements() / 2, blockBytes, cache.size(1) * blockBytes, cache.size(0));
    }

    /** Sets row t of y (T, H·E) to the attention over the cached positions 0 to positions[t] of the row's sequence. */
    public void attentionPaged(Tensor y, Tensor qkv, Tensor cache, Batch batch, Heads heads) {
        cached(qkv, cache, batch, heads);
        Shapes.matrix("y", y, qkv.dtype(), batch.tokens(), heads.h() * heads.e());
        bindings.attentionPagedForward(y, qkv, cache, batch, qkv.dtype().code(), cache.dtype().code(), heads.h(),
                heads.k(), heads.e(), heads.scale());
    }

    /** Checks the tensors of ops on one layer's cache: qkv (T, (H + 2K)·E), cache (blocks, elements per block). */
    void cached(Tensor qkv, Tensor cache, Batch batch, Heads heads) {
        Shapes.matrix("qkv", qkv, batch.tokens(), heads.columns());
        long blockBytes = context.kvCacheBlockBytes(cache.dtype(), batch.blockSize(), heads.k(), heads.e());
        Shapes.matrix("cache", cache, ANY, blockBytes / cache.dtype().bytes());
    }

    /** Sets y (T, H·E) to causal attention within each packed sequence, and lse (T, H) f32 to the log-sum-exp. */
    public void attention(AttentionState state, Heads heads) {
        Shapes.packed(state, heads);
        bindings.attentionForward(state.y(), state.lse(), state.qkv(), state.offsets(), state.qkv().dtype().code(),
                state.operands().code(), state.offsets().size(0) - 1, heads.h(), heads.k(), heads.e(), heads.scale());
    }

    /** Sets dqkv (T, (H + 2K)·E) to the gradient of qkv for dy (T, H·E). Scratch f32: delta (T, H), sums like dqkv. */
    public void attentionBackward(Tensor dqkv, Tensor delta, Tensor sums, Tensor dy, AttentionState forward,
            Heads heads) {
        Shapes.packed(forward, heads);
        Shapes.like("dqkv", dqkv, forward.qkv());
        Shapes.like("dy", dy, forward.y());
        Shapes.like("delta", delta, forward.lse());
        Shapes.matrix("sums", sums, DType.F32, dqkv.size(0), dqkv.size(1));
        bindings.attentionBackward(dqkv, delta, sums, dy, forward.qkv(), forward.y(), forward.lse(), forward.offsets(),
                dy.dtype().code(), forward.operands().code(), forward.offsets().size(0) - 1, heads.h(), heads.k(),
                heads.e(), heads.scale());
    }

    /**
     * Sets y (T, F) to silu(gate)·up. The left half of the columns of gateUp (T, 2F) is gate, and the right half is up.
     */
    public void siluMul(Tensor y, Tensor gateUp) {
        Shapes.matrix("y", y, ANY, ANY);
        Shapes.matrix("gateUp", gateUp, y.dtype(), y.size(0), 2 * y.size(1));
        bindings.siluMulForward(y, gateUp, y.dtype().code(), y.size(0), y.size(1));
    }

    /** Sets dgateUp (T, 2F) to the gradient of gateUp for dy (T, F). */
    public void siluMulBackward(Tensor dgateUp, Tensor dy, Tensor gateUp) {
        Shapes.matrix("dy", dy, ANY, ANY);
        Shapes.matrix("gateUp", gateUp, dy.dtype(), dy.size(0), 2 * dy.size(1));
        Shapes.like("dgateUp", dgateUp, gateUp);
        bindings.siluMulBackward(dgateUp, dy, gateUp, dy.dtype().code(), dy.size(0), dy.size(1));
    }

    /** Sets u (T, R) f32 to dropout(x (T, C))·Aᵀ; A is (G, R, C) f32. If slots (T) is null, all rows use adapter 0. */
    public void loraDown(Tensor u, Tensor x, Tensor a, Tensor slots, Dropout dropout) {
        Shapes.matrix("x", x, ANY, ANY);
        Shapes.matrix("u", u, DType.F32, x.size(0), ANY);
        Shapes.matrices("A", a, DType.F32, ANY, u.size(1), x.size(1));
        Shapes.optional("slots", slots, DType.I32, x.size(0));
        bindings.loraDownForward(u, x, a, slots, x.dtype().code(), x.size(0), a.size(2), a.size(1),
                dropout.probability(), dropout.seed(), dropout.column(), dropout.columns(x));
    }

    /**
     * Adds scaling·u·Bᵀ to the first N columns of y, with the first R columns of u, B (G, N, R) and scaling (G), all
     * f32. The tensor slots has the same meaning as in {@link #loraDown}.
     */
    public void loraUp(Tensor y, Tensor u, Tensor b, Tensor scaling, Tensor slots) {
        up("y", y, u, b);
        Shapes.vector("scaling", scaling, DType.F32, b.size(0));
        Shapes.optional("slots", slots, DType.I32, y.size(0));
        bindings.loraUpForward(y, u, b, scaling, slots, y.dtype().code(), y.size(0), b.size(1), b.size(2), y.size(1),
                u.size(1));
    }

    /** Sets du to scaling·dy·B, and adds scaling·dyᵀ·u to dB (1, N, R): the first N or R columns of dy, u and du. */
    public void loraUpBackward(Tensor du, Tensor db, Tensor dy, Tensor u, Tensor b, float scaling) {
        up("dy", dy, u, b);
        Shapes.matrices("B", b, DType.F32, 1, ANY, ANY);
        Shapes.like("du", du, u);
        Shapes.like("dB", db, b);
        bindings.loraUpBackward(du, db, dy, u, b, dy.dtype().code(), dy.size(0), b.size(1), b.size(2), dy.size(1),
                u.size(1), scaling);
    }

    private static void up(String name, Tensor y, Tensor u, Tensor b) {
        Shapes.matrix(name, y, ANY, ANY);
        Shapes.matrix("u", u, DType.F32, y.size(0), ANY);
        Shapes.matrices("B", b, DType.F32, ANY, ANY, ANY);
        if (b.size(1) > y.size(1) || b.size(2) > u.size(1)) {
            throw Shapes.refused("B", b, "at most " + y.size(1) + " rows of " + u.size(1) + " for this " + name);
        }
    }

    /** Adds du·A, times the dropout mask, to dx (T, C), unless dx is null. Adds duᵀ·dropout(x) to dA (1, R, C) f32. */
    public void loraDownBackward(Tensor dx, Tensor da, Tensor du, Tensor x, Tensor a, Dropout dropout) {
        Shapes.matrix("x", x, ANY, ANY);
        Shapes.matrix("du", du, DType.F32, x.size(0), ANY);
        Shapes.matrices("A", a, DType.F32, 1, du.size(1), x.size(1));
        Shapes.like("dA", da, a);
        if (dx != null) {
            Shapes.like("dx", dx, x);
        }
        bindings.loraDownBackward(dx, da, du, x, a, x.dtype().code(), x.size(0), a.size(2), a.size(1),
                dropout.probability(), dropout.seed(), dropout.column(), dropout.columns(x));
    }

    /** Sets loss (M) to −log softmax(logits (M, V))[targets (M)], and lse (M), unless null, to log Σ exp(logits). */
    public void crossEntropy(Tensor loss, Tensor lse, Tensor logits, Tensor targets) {
        Shapes.matrix("logits", logits, DType.F32, ANY, ANY);
        Shapes.vector("loss", loss, DType.F32, logits.size(0));
        Shapes.optional("lse", lse, DType.F32, logits.size(0));
        Shapes.vector("targets", targets, DType.I32, logits.size(0));
        bindings.crossEntropyForward(loss, lse, logits, targets, logits.size(0), logits.size(1));
    }

    /** Sets dlogits (M, V) to scale·(softmax(logits) − one-hot(targets)). {@code dlogits} may be {@code logits}. */
    public void crossEntropyBackward(Tensor dlogits, Tensor logits, Tensor lse, Tensor targets, float scale) {
        Shapes.matrix("logits", logits, DType.F32, ANY, ANY);
        Shapes.matrix("dlogits", dlogits, logits.size(0), logits.size(1));
        Shapes.vector("lse", lse, DType.F32, logits.size(0));
        Shapes.vector("targets", targets, DType.I32, logits.size(0));
        bindings.crossEntropyBackward(dlogits, logits, lse, targets, dlogits.dtype().code(), logits.size(0),
                logits.size(1), scale);
    }

    /** Sets norm (1) to √(Σ x²), f32. */
    public void gradientNorm(Tensor norm, Tensor x) {
        Shapes.elements("x", x, DType.F32, x.elements());
        Shapes.vector("norm", norm, DType.F32, 1);
        bindings.gradientNorm(norm, x, x.elements());
    }

    /** Multiplies x in place by min(1, maxNorm / (norm + 1e-6)). */
    public void gradientClip(Tensor x, Tensor norm, float maxNorm) {
        Shapes.elements("x", x, DType.F32, x.elements());
        Shapes.vector("norm", norm, DType.F32, 1);
        bindings.gradientClip(x, norm, x.elements(), maxNorm);
    }

    /** Updates parameters p and moments m and v by AdamW with gradient g; all are (n) f32. Steps are counted from 1. */
    public void adamw(Tensor p, Tensor m, Tensor v, Tensor g, long step, AdamW c) {
        Shapes.elements("p", p, DType.F32, p.elements());
        Shapes.elements("m", m, DType.F32, p.elements());
        Shapes.elements("v", v, DType.F32, p.elements());
        Shapes.elements("g", g, DType.F32, p.elements());
        bindings.adamw(p, m, v, g, p.elements(), step, c.learningRate(), c.beta1(), c.beta2(), c.eps(),
                c.weightDecay());
    }

    /**
     * Adds values[i] to element (rows[i], ids[i]) of logits (M, V) f32. {@code rows} I32, {@code ids} I32 and
     * {@code values} F32 are vectors (n) in device memory. No pair (rows[i], ids[i]) may occur twice. The value -inf
     * bans a token.
     */
    public void biasLogits(Tensor logits, Tensor rows, Tensor ids, Tensor values) {
        Shapes.matrix("logits", logits, DType.F32, ANY, ANY);
        Shapes.vector("rows", rows, DType.I32, ANY);
        Shapes.like("ids", ids, rows);
        Shapes.vector("values", values, DType.F32, rows.elements());
        bindings.biasLogits(logits, rows, ids, values, rows.elements(), logits.size(1));
    }

    /**
     * Draws ids (M), one from each row of logits (M, V) f32. Sets {@code logProbabilities} (M), unless null, to the
     * log-probabilities of these ids at temperature 1.
     */
    public void sample(Tensor ids, Tensor logProbabilities, Tensor logits, SampleRows rows) {
        Shapes.matrix("logits", logits, DType.F32, ANY, ANY);
        long m = logits.size(0);
        Shapes.vector("ids", ids, DType.I32, m);
        Shapes.optional("logProbabilities", logProbabilities, DType.F32, m);
        Shapes.vector("temperature", rows.temperature(), DType.F32, m);
        Shapes.vector("topK", rows.topK(), DType.I32, m);
        Shapes.vector("topP", rows.topP(), DType.F32, m);
        Shapes.vector("seeds", rows.seeds(), DType.I64, m);
        Shapes.vector("sequences", rows.sequences(), DType.I32, m);
        Shapes.vector("positions", rows.positions(), DType.I32, m);
        bindings.sample(ids, logProbabilities, logits, rows.temperature(), rows.topK(), rows.topP(), rows.seeds(),
                rows.sequences(), rows.positions(), m, logits.size(1));
    }

    /**
     * Finds the n most probable tokens of each row of logits (M, V) f32, most probable first; tokens with equal logits
     * are in ascending order of id. {@code ids} I32 and {@code logProbabilities} F32 are (M, n). If a row's softmax is
     * undefined, its ids are -1 and its log-probabilities NaN.
     */
    public void topTokens(Tensor ids, Tensor logProbabilities, Tensor logits) {
        Shapes.matrix("logits", logits, DType.F32, ANY, ANY);
        Shapes.matrix("ids", ids, DType.I32, logits.size(0), ANY);
        Shapes.matrix("logProbabilities", logProbabilities, DType.F32, logits.size(0), ids.size(1));
        if (ids.size(1) < 1 || ids.size(1) > logits.size(1)) {
            throw new InputException("ids: " + ids.size(1) + " columns, expected 1 to " + logits.size(1));
        }
        bindings.topTokens(ids, logProbabilities, logits, logits.size(0), logits.size(1), (int) ids.size(1));
    }

    /** Sets ids[t] (T) to given[t] (T) if source[t] (T) is negative, otherwise to max(drawn[source[t]], 0); all I32. */
    public void selectIds(Tensor ids, Tensor given, Tensor source, Tensor drawn) {
        Shapes.vector("ids", ids, DType.I32, ANY);
        Shapes.like("given", given, ids);
        Shapes.like("source", source, ids);
        Shapes.vector("drawn", drawn, DType.I32, ANY);
        bindings.selectIds(ids, given, source, drawn, ids.elements());
    }

    /** Fills y with random numbers drawn from normal(0, std). Element i depends only on seed and i. */
    public void randomNormal(Tensor y, float std, long seed) {
        bindings.randomNormal(y, y.dtype().code(), y.elements(), std, seed);
    }
}
