package org.ingrain.train.pass;

import java.util.List;
import java.util.stream.Stream;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Weights;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The activations of one training pass, allocated once for the largest micro-batch. The input of every layer is kept
 * for the backward pass. For some layers, called the kept layers, the results that are expensive to recompute are kept
 * too. The outputs of norms and of silu(gate)·up are recomputed in every layer.
 */
final class TrainingActivations {
    /** Maximum number of rows of logits in memory. */
    static final int HEAD_ROWS = 256;

    private final List<Tensor> inputs;
    private final List<Layer> layers;
    private final Rows rows;
    private final Gradients gradients;
    private final Head head;

    /**
     * The kept activations of a layer.
     *
     * @param inputRstd (T) rstd of input_layernorm
     * @param projected (T, (H + 2K)·E) input of the QK norm; null if the model has no QK norm
     * @param headRstd  (T, H + K) rstd of the QK norm; null if the model has no QK norm
     * @param qkv       (T, (H + 2K)·E) queries, keys and values after rope
     * @param attention (T, H·E) output of attention
     * @param lse       (T, H) log-sum-exp of the attention scores
     * @param middle    (T, D) the residual stream between attention and feed-forward
     * @param postRstd  (T) rstd of post_attention_layernorm
     * @param gateUp    (T, 2F) output of gate_up_proj
     */
    record Layer(Tensor inputRstd, Tensor projected, Tensor headRstd, Tensor qkv, Tensor attention, Tensor lse,
            Tensor middle, Tensor postRstd, Tensor gateUp) {
        static Layer allocate(Space t, Weights.Layer w, Ops.Heads heads, boolean normed) {
            return new Layer(t.f32(), normed ? t.of(w.qkvProj().rows()) : null,
                    normed ? t.f32(heads.h() + heads.k()) : null, t.of(w.qkvProj().rows()),
                    t.of(w.oProj().columns()), t.f32(heads.h()), t.of(w.oProj().rows()), t.f32(),
                    t.of(w.gateUpProj().rows()));
        }

        Layer of(int t) {
            return new Layer(inputRstd.rows(0, t), projected == null ? null : projected.rows(0, t),
                    headRstd == null ? null : headRstd.rows(0, t), qkv.rows(0, t), attention.rows(0, t),
                    lse.rows(0, t), middle.rows(0, t), postRstd.rows(0, t), gateUp.rows(0, t));
        }
    }

    /**
     * Temporary buffers that all layers reuse. The content of a buffer is valid until another op writes to the buffer.
     *
     * @param x     (T, D) output of a norm
     * @param delta (T, D) output of o_proj or down_proj, which the next norm adds to the residual stream
     * @param gated (T, F) silu(gate)·up
     */
    record Rows(Tensor x, Tensor delta, Tensor gated) {
        static Rows allocate(Space t, Weights.Layer w) {
            return new Rows(t.of(w.qkvProj().columns()), t.of(w.oProj().rows()), t.of(w.downProj().columns()));
        }

        Rows of(int t) {
            return new Rows(x.rows(0, t), delta.rows(0, t), gated.rows(0, t));
        }
    }

    /**
     * Gradients of activations, in buffers that all layers reuse.
     *
     * @param stream    (T, D) gradient of the residual stream
     * @param x         (T, D) gradient of a norm's output
     * @param gated     (T, F) gradient of silu(gate)·up
     * @param gateUp    (T, 2F) gradient of the output of gate_up_proj
     * @param attention (T, H·E) gradient of the output of attention
     * @param qkv       (T, (H + 2K)·E) gradient of queries, keys and values
     * @param delta     (T, H) scratch memory of the backward pass of attention
     * @param sums      (T, (H + 2K)·E) the same; in the memory of {@code gateUp} if that is large enough
     */
    record Gradients(Tensor stream, Tensor x, Tensor gated, Tensor gateUp, Tensor attention, Tensor qkv, Tensor delta,
            Tensor sums) {
        static Gradients allocate(Space t, Weights.Layer w, long heads) {
            Tensor gateUp = t.of(w.gateUpProj().rows());
            long width = w.qkvProj().rows();
            boolean fits = t.rows * width * DType.F32.bytes() <= gateUp.bytes();
            return new Gradients(t.of(w.oProj().rows()), t.of(w.qkvProj().columns()), t.of(w.downProj().columns()),
                    gateUp, t.of(w.oProj().columns()), t.of(width), t.f32(heads),
                    fits ? gateUp.view(DType.F32, t.rows, width) : t.f32(width));
        }

        Gradients of(int t) {
            return new Gradients(stream.rows(0, t), x.rows(0, t), gated.rows(0, t), gateUp.rows(0, t),
                    attention.rows(0, t), qkv.rows(0, t), delta.rows(0, t), sums.rows(0, t));
        }
    }

    /**
     * Activations of the M rows that predict targets.
     *
     * @param stream  (M, D) the residual stream
     * @param added   (M, D) output of the last down_proj; later the gradient of {@code x}
     * @param x       (M, D) output of the last norm; later the gradient of {@code stream}
     * @param rstd    (M) rstd of the last norm
     * @param loss    (M) −log p of each target
     * @param logits  (HEAD_ROWS, V) f32
     * @param dlogits (HEAD_ROWS, V) in the dtype of activations; if this dtype is f32, the same tensor as
     *                {@code logits}
     * @param lse     (HEAD_ROWS) log-sum-exp of the logits
     */
    record Head(Tensor stream, Tensor added, Tensor x, Tensor rstd, Tensor loss, Tensor logits, Tensor dlogits,
            Tensor lse) {
        static Head allocate(Space m, Space chunk, Weight lmHead, long vocabulary) {
            Tensor logits = chunk.f32(vocabulary);
            return new Head(m.of(lmHead.columns()), m.of(lmHead.columns()), m.of(lmHead.columns()), m.f32(), m.f32(),
                    logits, chunk.dtype == DType.F32 ? logits : chunk.of(vocabulary), chunk.f32());
        }

        Head of(int m) {
            return new Head(stream.rows(0, m), added.rows(0, m), x.rows(0, m), rstd.rows(0, m), loss.rows(0, m), logits,
                    dlogits, lse);
        }
    }

    /** Allocates tensors with a given number of rows. */
    private record Space(Allocator memory, DType dtype, long rows) {
        /** Allocates (rows, width) in the dtype of activations. */
        Tensor of(long width) {
            return memory.allocate(dtype, rows, width);
        }

        /** Allocates (rows) f32. */
        Tensor f32() {
            return memory.allocate(DType.F32, rows);
        }

        /** Allocates (rows, width) f32. */
        Tensor f32(long width) {
            return memory.allocate(DType.F32, rows, width);
        }
    }

    TrainingActivations(Allocator allocator, Weights weights, TrainingMemory memory) {
        DType dtype = weights.precision().activations();
        Weights.Layer w = weights.layers().getFirst();
        AttentionConfig attention = weights.config().attention();
        Space t = new Space(allocator, dtype, memory.limits().tokens());
        inputs = Stream.generate(() -> t.of(w.qkvProj().columns())).limit(weights.layers().size()).toList();
        layers = Stream.generate(() -> Layer.allocate(t, w, attention.heads(weights.rank()), attention.qkNorm()))
                .limit(memory.keptLayers()).toList();
        rows = Rows.allocate(t, w);
        gradients = Gradients.allocate(t, w, attention.numAttentionHeads() / weights.rank().count());
        Space m = new Space(allocator, dtype, memory.limits().targets());
        head = Head.allocate(m, new Space(allocator, dtype, HEAD_ROWS), weights.lmHead(),
                weights.config().vocabSize());
    }

    /** The residual stream at the input of a layer (T, D). */
    Tensor input(int layer, int t) {
        return inputs.get(layer).rows(0, t);
    }

    /** The kept activations that are stored in a slot; see {@link TrainingMemory#slot}. */
    Layer layer(int slot, int t) {
        return layers.get(slot).of(t);
    }

    Rows rows(int t) {
        return rows.of(t);
    }

    Gradients gradients(int t) {
        return gradients.of(t);
    }

    Head head(int m) {
        return head.of(m);
    }
}
