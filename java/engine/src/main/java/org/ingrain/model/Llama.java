package org.ingrain.model;

import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Llama 2 and 3 for inference: RMSNorm before each block, rotary positions, grouped-query attention over a paged cache, SwiGLU
 * (arXiv:2307.09288). Knows token ids, not text; keeps nothing between steps but the cache it is given.
 */
public final class Llama {
    private final Context context;
    private final LlamaWeights weights;
    private final LlamaConfig config;
    private final Ops ops;
    private final Ops.Heads heads;
    private final Tensor ropeTable;
    private final Activations wave;

    public Llama(Context context, LlamaWeights weights, Step.Limits limits) {
        this.context = context;
        this.weights = weights;
        config = weights.config();
        ops = new Ops(context);
        int ranks = weights.rank().count();
        heads = new Ops.Heads(config.numAttentionHeads() / ranks, config.numKeyValueHeads() / ranks, config.headDim(),
                (float) (1 / Math.sqrt(config.headDim())));
        int positions = Math.min(config.maxPositionEmbeddings(), limits.maxBlocks() * limits.blockSize());
        ropeTable = context.allocate(DType.F32, positions, config.headDim());
        context.write(ropeTable, RopeTable.compute(config, positions));
        wave = new Activations(context, weights, limits);
    }

    /** Logits (M, V) f32 of the rows the step asked for; valid until the next step. adapters may be null where no row has a slot. */
    public Tensor forward(Step step, KvCache cache, AdapterBank adapters) {
        int t = step.tokens();
        Tensor h = wave.h(t);
        Tensor x = wave.x(t);
        Tensor delta = wave.delta(t);
        float eps = (float) config.rmsNormEps();
        ops.embedding(h, step.ids(), weights.embedTokens());
        for (int i = 0; i < weights.layers().size(); i++) {
            LlamaWeights.Layer layer = weights.layers().get(i);
            Lora lora = new Lora(adapters, i, step.batch().adapterSlots());
            if (i == 0) {
                ops.rmsNorm(x, null, h, layer.inputLayernorm(), eps);
            } else {
                ops.addRmsNorm(x, h, null, h, delta, layer.inputLayernorm(), eps);
            }
            attention(delta, x, layer, lora, step, cache.layer(i));
            ops.addRmsNorm(x, h, null, h, delta, layer.postAttentionLayernorm(), eps);
            feedForward(delta, x, layer, lora);
        }
        return head(step, h, delta, eps);
    }

    private void attention(Tensor delta, Tensor x, LlamaWeights.Layer layer, Lora lora, Step step, Tensor cache) {
        Tensor qkv = wave.qkv(step.tokens());
        Tensor y = wave.attention(step.tokens());
        ops.matmul(qkv, x, layer.qkvProj());
        lora.apply(Projection.Q_PROJ, qkv, x);
        lora.apply(Projection.K_PROJ, qkv, x);
        lora.apply(Projection.V_PROJ, qkv, x);
        ops.rope(qkv, ropeTable, step.batch().positions(), heads);
        ops.kvCacheWrite(cache, qkv, step.batch(), heads);
        ops.attentionPaged(y, qkv, cache, step.batch(), heads);
        rowParallel(delta, y, layer.oProj());
        lora.apply(Projection.O_PROJ, delta, y);
    }

    private void feedForward(Tensor delta, Tensor x, LlamaWeights.Layer layer, Lora lora) {
        int t = Math.toIntExact(x.size(0));
        Tensor gateUp = wave.gateUp(t);
        Tensor gated = wave.gated(t);
        ops.matmul(gateUp, x, layer.gateUpProj());
        lora.apply(Projection.GATE_PROJ, gateUp, x);
        lora.apply(Projection.UP_PROJ, gateUp, x);
        ops.siluMul(gated, gateUp);
        rowParallel(delta, gated, layer.downProj());
        lora.apply(Projection.DOWN_PROJ, delta, gated);
    }

    /** y = x·Wᵀ where the columns of W are spread over the ranks: chunk sums are added in one order over all of them. */
    private void rowParallel(Tensor y, Tensor x, Weight w) {
        if (weights.rank().count() == 1) {
            ops.matmul(y, x, w);
            return;
        }
        Tensor partials = wave.partials(Math.toIntExact(x.size(0)));
        ops.matmulPartial(partials, x, w);
        ops.allReduce(y, partials, partials.size(0));
    }

    private Tensor head(Step step, Tensor h, Tensor delta, float eps) {
        int m = step.logitCount();
        Tensor logits = wave.logits(m);
        if (m == 0) {
            return logits;
        }
        Tensor rows = wave.selected(0, m);
        Tensor added = wave.selected(1, m);
        Tensor x = wave.selected(2, m);
        ops.gatherRows(rows, h, step.logitRows());
        ops.gatherRows(added, delta, step.logitRows());
        ops.addRmsNorm(x, rows, null, rows, added, weights.norm(), eps);
        ops.matmul(logits, x, weights.lmHead());
        return logits;
    }

    /** The adapters of one layer in one step. */
    private final class Lora {
        private final AdapterBank bank;
        private final int layer;
        private final Tensor slots;

        Lora(AdapterBank bank, int layer, Tensor slots) {
            this.bank = bank;
            this.layer = layer;
            this.slots = slots;
        }

        void apply(Projection projection, Tensor y, Tensor x) {
            if (slots != null) {
                bank.apply(ops, layer, projection, y, x, slots.rows(0, x.size(0)));
            }
        }
    }

    public Context context() {
        return context;
    }

    public LlamaWeights weights() {
        return weights;
    }

    public LlamaConfig config() {
        return config;
    }

    /** Bytes that a Llama of these limits allocates beside weights and cache. */
    public static long workspaceBytes(LlamaConfig config, Precision precision, Rank rank, Step.Limits limits) {
        return Activations.bytes(config, precision, rank, limits)
                + (long) Math.min(config.maxPositionEmbeddings(), limits.maxBlocks() * limits.blockSize()) * config.headDim() * Float.BYTES;
    }
}
