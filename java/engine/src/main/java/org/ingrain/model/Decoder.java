package org.ingrain.model;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.ops.FusedOps;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The forward pass of Llama, Mistral, Qwen2 and Qwen3 for inference. The models use RMSNorm before each block, rotary
 * positions, grouped-query attention over a paged cache, and SwiGLU (arXiv:2307.09288). The decoder processes token
 * ids, not text. The cache that the caller passes is the only state that is kept between steps.
 */
public final class Decoder {
    private final Context context;
    private final Weights weights;
    private final Blueprint config;
    private final Ops ops;
    private final Ops.Heads heads;
    private final Tensor ropeTable;
    private final Activations activations;
    /** The activations of the latest step's tokens. Steps with the same number of tokens share these objects. */
    private Activations rows;

    public Decoder(Allocator memory, Weights weights, Step.Limits limits) {
        context = memory.context();
        this.weights = weights;
        config = weights.config();
        ops = new Ops(context);
        heads = config.attention().heads(weights.rank());
        ropeTable = RopeTable.allocate(memory, config, limits.maxBlocks() * limits.blockSize());
        activations = Activations.allocate(memory, weights, limits);
        rows = activations;
        weights.reserveWorkspace(memory, limits.tokens(), false);
    }

    /**
     * Computes the logits (M, V) f32 of the step's logit rows. The logits are valid until the next step.
     * {@code adapters} may be null if no row has an adapter.
     */
    public Tensor forward(Step step, KvCache cache, AdapterBank adapters) {
        int t = step.tokens();
        boolean adapted = step.batch().adapterSlots() != null;
        Weights weights = adapted ? adapters.weights(this.weights) : this.weights;
        if (rows.h().size(0) != t) {
            rows = activations.rows(t);
        }
        Residual stream = new Residual(rows.h(), rows.delta(), false);
        ops.embedding(stream.h, step.ids(), weights.embedTokens());
        if (adapted && adapters.adapts(Group.MODEL, Projection.EMBED_TOKENS)) {
            adapters.applyEmbedding(stream.h, step);
        }
        for (int i = 0; i < weights.layers().size(); i++) {
            Weights.Layer layer = weights.layers().get(i);
            Lora lora = new Lora(adapters, i, step);
            step.batch().planned(i > 0);
            stream.add(attention(stream, layer, lora, step, cache.layer(i)), layer.oProj(), lora, Projection.O_PROJ);
            stream.add(feedForward(stream, layer, lora), layer.downProj(), lora, Projection.DOWN_PROJ);
        }
        int m = step.logitCount();
        if (m == 0) {
            return activations.logits().rows(0, 0);
        }
        Tensor normed = activations.selected(0, m);
        Tensor logits = head(step, stream, normed, weights);
        if (adapted && adapters.adapts(Group.MODEL, Projection.LM_HEAD)) {
            adapters.applyHead(logits, normed, step);
        }
        return logits;
    }

    /** Computes attention over the normalised stream and returns the input of o_proj (T, H·E). */
    private Tensor attention(Residual stream, Weights.Layer layer, Lora lora, Step step, Tensor cache) {
        Tensor x = rows.x();
        Tensor qkv = rows.qkv();
        Tensor y = rows.attention();
        if (stream.waiting || lora.adapts(Projection.Q_PROJ) || lora.adapts(Projection.K_PROJ)
                || lora.adapts(Projection.V_PROJ)) {
            stream.norm(x, layer.inputLayernorm());
            ops.matmul(qkv, x, layer.qkvProj());
        } else {
            ops.fused().normMatmul(qkv, stream.normed(x, layer.inputLayernorm()), layer.qkvProj());
        }
        if (layer.qkvBias() != null) {
            ops.addBias(qkv, layer.qkvBias());
        }
        lora.apply(Projection.Q_PROJ, qkv, x);
        lora.apply(Projection.K_PROJ, qkv, x);
        lora.apply(Projection.V_PROJ, qkv, x);
        if (layer.qkNorm() != null) {
            ops.qkNorm(qkv, null, qkv, layer.qkNorm(), heads, (float) config.rmsNormEps());
        }
        ops.fused().ropeCache(qkv, cache, ropeTable, step.batch(), heads);
        ops.attentionPaged(y, qkv, cache, step.batch(), heads);
        return y;
    }

    /** Computes silu(gate)·up of the normalised stream and returns it as the input of down_proj (T, F). */
    private Tensor feedForward(Residual stream, Weights.Layer layer, Lora lora) {
        Tensor x = rows.x();
        Tensor gateUp = rows.gateUp();
        Tensor gated = rows.gated();
        boolean adapted = lora.adapts(Projection.GATE_PROJ) || lora.adapts(Projection.UP_PROJ);
        if (!adapted && !stream.waiting) {
            ops.fused().normMatmulSiluMul(gated, gateUp, stream.normed(x, layer.postAttentionLayernorm()),
                    layer.gateUpProj());
            return gated;
        }
        stream.norm(x, layer.postAttentionLayernorm());
        if (!adapted) {
            ops.fused().matmulSiluMul(gated, gateUp, x, layer.gateUpProj());
            return gated;
        }
        ops.matmul(gateUp, x, layer.gateUpProj());
        lora.apply(Projection.GATE_PROJ, gateUp, x);
        lora.apply(Projection.UP_PROJ, gateUp, x);
        ops.siluMul(gated, gateUp);
        return gated;
    }

    /** Sets x (M, D) to the output of the last norm and returns the logits (M, V). */
    private Tensor head(Step step, Residual stream, Tensor x, Weights weights) {
        int m = step.logitCount();
        Tensor logits = activations.logits().rows(0, m);
        stream.select(step.logitRows(), m).norm(x, weights.norm());
        if (activations.shared() == null) {
            ops.matmul(logits, x, weights.lmHead());
            return logits;
        }
        Tensor shared = activations.shared().rows(0, m);
        ops.matmul(shared, x, weights.lmHead());
        Gathering.columns(ops, logits, shared, activations.gathered(), step.logitOrder());
        return logits;
    }

    /**
     * The residual stream h (T, D). If there is only one rank, a matrix product accumulates directly into h. If there
     * are several ranks, the product with a column-sharded weight yields one partial sum per chunk. The partial sums of
     * all ranks are added. The total is delta, which the next norm adds to h.
     */
    private final class Residual {
        private final Tensor h;
        private final Tensor delta;
        private boolean waiting;

        Residual(Tensor h, Tensor delta, boolean waiting) {
            this.h = h;
            this.delta = delta;
            this.waiting = waiting;
        }

        /** Adds x·Wᵀ and the adapters' contribution to the stream. */
        void add(Tensor x, Weight w, Lora lora, Projection projection) {
            if (delta == null) {
                ops.matmul(h, x, w, 1);
                lora.apply(projection, h, x);
                return;
            }
            ops.matmulPartial(rows.partials(), x, w);
            ops.allReduce(delta, rows.partials(), rows.partials().size(0));
            waiting = true;
            if (lora.adapts(projection)) {   // as with one rank, adapters are added to the complete sum
                norm(rows.x(), weights.norm());
                lora.apply(projection, h, x);
            }
        }

        /** Sets y to rmsNorm(h). If delta has not been added to h yet, adds it first. */
        void norm(Tensor y, Tensor w) {
            float eps = (float) config.rmsNormEps();
            if (waiting) {
                ops.addRmsNorm(y, h, null, h, delta, w, eps);
            } else {
                ops.rmsNorm(y, null, h, w, eps);
            }
            waiting = false;
        }

        /** Input of an op that also normalises the stream; {@code x} is scratch memory. Delta must have been added. */
        FusedOps.Normed normed(Tensor x, Tensor w) {
            return new FusedOps.Normed(x, h, w, (float) config.rmsNormEps());
        }

        /** Returns the residual stream of the m selected rows. */
        Residual select(Tensor rows, int m) {
            Tensor added = waiting ? activations.selected(2, m) : null;
            Residual part = new Residual(activations.selected(1, m), added, waiting);
            ops.gatherRows(part.h, h, rows);
            if (waiting) {
                ops.gatherRows(part.delta, delta, rows);
            }
            return part;
        }
    }

    /** The adapters of one layer in one step. */
    private final class Lora {
        private final AdapterBank bank;
        private final int layer;
        private final Step step;
        private final Tensor slots;

        Lora(AdapterBank bank, int layer, Step step) {
            this.bank = bank;
            this.layer = layer;
            this.step = step;
            slots = step.batch().adapterSlots();
        }

        boolean adapts(Projection projection) {
            return slots != null && bank.adapts(layer, projection);
        }

        void apply(Projection projection, Tensor y, Tensor x) {
            if (adapts(projection)) {
                bank.apply(new ParameterTable.Site(layer, projection), y, x, step);
            }
        }
    }

    public Context context() {
        return context;
    }

    public Weights weights() {
        return weights;
    }

    public Blueprint config() {
        return config;
    }
}
