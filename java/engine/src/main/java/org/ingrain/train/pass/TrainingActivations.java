package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The wave of one training pass, allocated once for the largest micro-batch. Kept for the backward pass: every layer's input, and of the
 * kept layers what is dear to compute again. Norms' outputs and silu(gate)·up are not kept.
 */
final class TrainingActivations implements AutoCloseable {
    /** Rows of logits that exist at one time. */
    static final int HEAD_ROWS = 256;

    private final Context context;
    private final List<Tensor> inputs;
    private final List<Layer> layers;
    private final Rows rows;
    private final Gradients gradients;
    private final Head head;

    /**
     * What is kept of a layer.
     *
     * @param inputRstd (T) of input_layernorm
     * @param qkv       (T, (H + 2K)·E) after rope
     * @param attention (T, H·E)
     * @param lse       (T, H)
     * @param middle    (T, D) the residual stream between attention and feed-forward
     * @param postRstd  (T) of post_attention_layernorm
     * @param gateUp    (T, 2F)
     */
    record Layer(Tensor inputRstd, Tensor qkv, Tensor attention, Tensor lse, Tensor middle, Tensor postRstd, Tensor gateUp) {
        static Layer allocate(Allocator allocator, Blueprint c, DType dtype, long t) {
            return new Layer(allocator.allocate(DType.F32, t), allocator.allocate(dtype, t, c.qkvSize()),
                    allocator.allocate(dtype, t, Site.O.columns(c)), allocator.allocate(DType.F32, t, c.numAttentionHeads()),
                    allocator.allocate(dtype, t, c.hiddenSize()), allocator.allocate(DType.F32, t),
                    allocator.allocate(dtype, t, 2L * c.intermediateSize()));
        }

        Layer of(int t) {
            return new Layer(inputRstd.rows(0, t), qkv.rows(0, t), attention.rows(0, t), lse.rows(0, t), middle.rows(0, t),
                    postRstd.rows(0, t), gateUp.rows(0, t));
        }
    }

    /**
     * What lives from one op to the next.
     *
     * @param x     (T, D) a norm's output
     * @param delta (T, D) what a block adds to the residual stream
     * @param gated (T, F) silu(gate)·up
     */
    record Rows(Tensor x, Tensor delta, Tensor gated) {
        static Rows allocate(Allocator allocator, Blueprint c, DType dtype, long t) {
            return new Rows(allocator.allocate(dtype, t, c.hiddenSize()), allocator.allocate(dtype, t, c.hiddenSize()),
                    allocator.allocate(dtype, t, c.intermediateSize()));
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
        static Gradients allocate(Allocator allocator, Blueprint c, DType dtype, long t) {
            return new Gradients(allocator.allocate(dtype, t, c.hiddenSize()), allocator.allocate(dtype, t, c.hiddenSize()),
                    allocator.allocate(dtype, t, c.intermediateSize()), allocator.allocate(dtype, t, 2L * c.intermediateSize()),
                    allocator.allocate(dtype, t, Site.O.columns(c)), allocator.allocate(dtype, t, c.qkvSize()),
                    allocator.allocate(DType.F32, t, c.numAttentionHeads()));
        }

        Gradients of(int t) {
            return new Gradients(stream.rows(0, t), x.rows(0, t), gated.rows(0, t), gateUp.rows(0, t), attention.rows(0, t),
                    qkv.rows(0, t), delta.rows(0, t));
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
    record Head(Tensor stream, Tensor added, Tensor x, Tensor rstd, Tensor loss, Tensor logits, Tensor dlogits, Tensor lse) {
        static Head allocate(Allocator allocator, Blueprint c, DType dtype, long m) {
            Tensor logits = allocator.allocate(DType.F32, HEAD_ROWS, c.vocabSize());
            return new Head(allocator.allocate(dtype, m, c.hiddenSize()), allocator.allocate(dtype, m, c.hiddenSize()),
                    allocator.allocate(dtype, m, c.hiddenSize()), allocator.allocate(DType.F32, m), allocator.allocate(DType.F32, m), logits,
                    dtype == DType.F32 ? logits : allocator.allocate(dtype, HEAD_ROWS, c.vocabSize()), allocator.allocate(DType.F32, HEAD_ROWS));
        }

        Head of(int m) {
            return new Head(stream.rows(0, m), added.rows(0, m), x.rows(0, m), rstd.rows(0, m), loss.rows(0, m), logits, dlogits, lse);
        }
    }

    TrainingActivations(Context context, Blueprint config, DType dtype, TrainingMemory memory) {
        this(context, context, config, dtype, memory);
    }

    private TrainingActivations(Context context, Allocator allocator, Blueprint config, DType dtype, TrainingMemory memory) {
        this.context = context;
        int t = memory.limits().tokens();
        inputs = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            inputs.add(allocator.allocate(dtype, t, config.hiddenSize()));
        }
        layers = new ArrayList<>();
        for (int i = 0; i < memory.keptLayers(); i++) {
            layers.add(Layer.allocate(allocator, config, dtype, t));
        }
        rows = Rows.allocate(allocator, config, dtype, t);
        gradients = Gradients.allocate(allocator, config, dtype, t);
        head = Head.allocate(allocator, config, dtype, memory.limits().targets());
    }

    /** Bytes that the constructor allocates. */
    static long bytes(Blueprint config, DType dtype, TrainingMemory memory) {
        Allocator.Counter counter = new Allocator.Counter(null);
        new TrainingActivations(null, counter, config, dtype, memory);
        return counter.bytes();
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

    @Override
    public void close() {
        List<Tensor> all = new ArrayList<>(inputs);
        for (Layer l : layers) {
            all.addAll(List.of(l.inputRstd, l.qkv, l.attention, l.lse, l.middle, l.postRstd, l.gateUp));
        }
        all.addAll(List.of(rows.x, rows.delta, rows.gated));
        all.addAll(List.of(gradients.stream, gradients.x, gradients.gated, gradients.gateUp, gradients.attention, gradients.qkv,
                gradients.delta));
        all.addAll(List.of(head.stream, head.added, head.x, head.rstd, head.loss, head.logits, head.lse));
        if (head.dlogits != head.logits) {
            all.add(head.dlogits);
        }
        all.forEach(context::free);
    }
}
