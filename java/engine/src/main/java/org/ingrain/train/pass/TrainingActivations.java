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
 * The activations of one training pass, allocated once for the largest micro-batch. Kept for the backward pass: every
 * layer's input, and of the kept layers what is expensive to compute again. Norms' outputs and silu(gate)·up are not
 * kept.
 */
final class TrainingActivations {
    /** Rows of logits that exist at one time. */
    static final int HEAD_ROWS = 256;

    private final List<Tensor> inputs;
    private final List<Layer> layers;
    private final Rows rows;
    private final Gradients gradients;
    private final Head head;

    /**
     * What is kept of a layer.
     *
     * @param inputRstd (T) of input_layernorm
     * @param projected (T, (H + 2K)·E) before the norm of heads; null where there is none
     * @param headRstd  (T, H + K) of that norm, or null
     * @param qkv       (T, (H + 2K)·E) after rope
     * @param attention (T, H·E)
     * @param lse       (T, H)
     * @param middle    (T, D) the residual stream between attention and feed-forward
     * @param postRstd  (T) of post_attention_layernorm
     * @param gateUp    (T, 2F)
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
     * Temporary buffers, each used by consecutive ops only.
     *
     * @param x     (T, D) a norm's output
     * @param delta (T, D) what a block adds to the residual stream
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
     * Gradients on their way down.
     *
     * @param stream    (T, D) of the residual stream
     * @param x         (T, D) of a norm's output
     * @param gated     (T, F)
     * @param gateUp    (T, 2F)
     * @param attention (T, H·E)
     * @param qkv       (T, (H + 2K)·E)
     * @param delta     (T, H) scratch of the attention's backward pass
     */
    record Gradients(Tensor stream, Tensor x, Tensor gated, Tensor gateUp, Tensor attention, Tensor qkv, Tensor delta) {
        static Gradients allocate(Space t, Weights.Layer w, long heads) {
            return new Gradients(t.of(w.oProj().rows()), t.of(w.qkvProj().columns()), t.of(w.downProj().columns()),
                    t.of(w.gateUpProj().rows()), t.of(w.oProj().columns()), t.of(w.qkvProj().rows()), t.f32(heads));
        }

        Gradients of(int t) {
            return new Gradients(stream.rows(0, t), x.rows(0, t), gated.rows(0, t), gateUp.rows(0, t),
                    attention.rows(0, t), qkv.rows(0, t), delta.rows(0, t));
        }
    }

    /**
     * The rows that predict targets.
     *
     * @param stream  (M, D) the residual stream
     * @param added   (M, D) what the last block adds to it; then the gradient of x
     * @param x       (M, D) after the last norm; then the gradient of stream
     * @param rstd    (M)
     * @param loss    (M)
     * @param logits  (HEAD_ROWS, V) f32
     * @param dlogits (HEAD_ROWS, V) of the activations' type: the logits' own memory where that is f32
     * @param lse     (HEAD_ROWS)
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

    /** Allocates tensors of one number of rows. */
    private record Space(Allocator memory, DType dtype, long rows) {
        /** (rows, width) of the activations' type. */
        Tensor of(long width) {
            return memory.allocate(dtype, rows, width);
        }

        /** (rows) */
        Tensor f32() {
            return memory.allocate(DType.F32, rows);
        }

        /** (rows, width) */
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

    /** (T, D) the residual stream as it enters a layer. */
    Tensor input(int layer, int t) {
        return inputs.get(layer).rows(0, t);
    }

    /** The layer whose activations lie in this place. */
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
