package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Projection;
import org.ingrain.model.WeightSource;
import org.ingrain.model.Weights;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.CounterRandom;

/**
 * All parameters of a model in training: F32 masters, from which the packed weights that the forward pass reads are made again after each
 * step. Tied embeddings are one master that both gradients go to. Weight decay applies to everything but norms.
 */
public final class FullParameters implements Parameters {
    private final Context context;
    private final Ops ops;
    private final Weights weights;
    private final Blueprint config;
    private final Slots slots;
    private final FlatParameters flat;

    /** Where every parameter stands. Norms: two a layer, and the model's own last. */
    private record Slots(FlatParameters.Slot embedTokens, List<Map<Site, FlatParameters.Slot>> layers, FlatParameters.Slot lmHead,
                         List<FlatParameters.Slot> norms) {
        static Slots place(FlatParameters.Layout layout, Blueprint c) {
            FlatParameters.Slot embedTokens = layout.add(c.vocabSize(), c.hiddenSize());
            List<Map<Site, FlatParameters.Slot>> layers = new ArrayList<>();
            for (int i = 0; i < c.numHiddenLayers(); i++) {
                Map<Site, FlatParameters.Slot> layer = new EnumMap<>(Site.class);
                for (Site site : Site.values()) {
                    layer.put(site, layout.add(site.rows(c), site.columns(c)));
                }
                layers.add(layer);
            }
            FlatParameters.Slot lmHead = c.tieWordEmbeddings() ? embedTokens : layout.add(c.vocabSize(), c.hiddenSize());
            layout.endDecayed();
            List<FlatParameters.Slot> norms = new ArrayList<>();
            for (int i = 0; i < 2 * c.numHiddenLayers() + 1; i++) {
                norms.add(layout.add(c.hiddenSize()));
            }
            return new Slots(embedTokens, layers, lmHead, norms);
        }
    }

    private FullParameters(Context context, Weights weights) {
        this.context = context;
        this.weights = weights;
        config = weights.config();
        ops = new Ops(context);
        FlatParameters.Layout layout = new FlatParameters.Layout();
        slots = Slots.place(layout, config);
        flat = new FlatParameters(context, layout);
    }

    /** Masters of the parameters that weights were loaded from. */
    public static FullParameters load(Context context, Weights weights, WeightSource source) {
        FullParameters parameters = new FullParameters(context, weights);
        parameters.named().forEach(piece -> parameters.read(piece.value(), source.tensor(piece.name())));
        parameters.updated();
        return parameters;
    }

    private void read(Tensor target, HostTensor source) {
        Tensor staged = context.allocate(source.dtype(), source.shape());
        context.copyToDevice(staged, source.data());
        ops.convert(target, staged);
        context.synchronize();
        context.free(staged);
    }

    /**
     * A new model: matrices normal(0, 0.02), those that write to the residual stream (o_proj, down_proj) divided by √(2·layers) as in
     * GPT-2, norms 1. Overwrites weights.
     */
    public static FullParameters random(Context context, Weights weights, long seed) {
        FullParameters parameters = new FullParameters(context, weights);
        CounterRandom seeds = new CounterRandom(seed);
        float residual = (float) (0.02 / Math.sqrt(2.0 * parameters.config.numHiddenLayers()));
        float[] ones = new float[parameters.config.hiddenSize()];
        Arrays.fill(ones, 1);
        long tensor = 0;
        for (Named piece : parameters.named()) {
            if (piece.value().rank() == 1) {
                context.write(piece.value(), ones);
            } else {
                boolean writes = piece.name().contains("o_proj") || piece.name().contains("down_proj");
                parameters.ops.randomNormal(piece.value(), writes ? residual : 0.02f, seeds.bits(tensor++));
            }
        }
        parameters.updated();
        return parameters;
    }

    /** Bytes that the masters, their gradients and moments take. */
    static long bytes(Blueprint config) {
        FlatParameters.Layout layout = new FlatParameters.Layout();
        Slots.place(layout, config);
        return layout.bytes();
    }

    /**
     * A parameter under its Hugging Face name.
     *
     * @param value f32, the master itself
     */
    public record Named(String name, Tensor value) {
    }

    /** Every parameter, in the order of the model; tied heads once, as the embedding. */
    public List<Named> named() {
        List<Named> named = new ArrayList<>();
        named.add(new Named("model.embed_tokens.weight", flat.value(slots.embedTokens)));
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            named.add(new Named("model.layers." + i + ".input_layernorm.weight", norm(new Norm(i, false))));
            named.add(new Named("model.layers." + i + ".post_attention_layernorm.weight", norm(new Norm(i, true))));
            for (Site site : Site.values()) {
                Tensor fused = flat.value(slots.layers.get(i).get(site));
                long row = 0;
                for (Projection p : site.projections()) {
                    named.add(new Named(p.weightName(i), fused.rows(row, row + p.rows(config))));
                    row += p.rows(config);
                }
            }
        }
        named.add(new Named("model.norm.weight", norm(new Norm(config.numHiddenLayers(), false))));
        if (!config.tieWordEmbeddings()) {
            named.add(new Named("lm_head.weight", flat.value(slots.lmHead)));
        }
        return named;
    }

    /** The packed weights that the forward pass reads. */
    public Weights weights() {
        return weights;
    }

    private Tensor norm(Norm norm) {
        return flat.value(slots.norms.get(norm.index()));
    }

    @Override
    public FlatParameters flat() {
        return flat;
    }

    @Override
    public void begin(int step, int microBatch) {
        // Nothing here depends on the pass.
    }

    @Override
    public void forward(int layer, Site site, Tensor y, Tensor x) {
        // The product is all there is.
    }

    @Override
    public void backward(int layer, Site site, Tensor dx, Tensor dy, Tensor x) {
        ops.matmulWeightBackward(flat.gradient(slots.layers.get(layer).get(site)), dy, x);
    }

    @Override
    public int lowestDepth() {
        return -1;
    }

    @Override
    public void headBackward(Tensor dlogits, Tensor x) {
        ops.matmulWeightBackward(flat.gradient(slots.lmHead), dlogits, x);
    }

    @Override
    public void embeddingBackward(Tensor dh, Tensor ids) {
        ops.embeddingBackward(flat.gradient(slots.embedTokens), dh, ids);
    }

    @Override
    public Tensor normGradient(Norm norm) {
        return flat.gradient(slots.norms.get(norm.index()));
    }

    @Override
    public void updated() {
        ops.pack(weights.embedTokens(), flat.value(slots.embedTokens), 0);
        if (!config.tieWordEmbeddings()) {
            ops.pack(weights.lmHead(), flat.value(slots.lmHead), 0);
        }
        for (int i = 0; i < weights.layers().size(); i++) {
            Weights.Layer layer = weights.layers().get(i);
            for (Site site : Site.values()) {
                ops.pack(site.weight(layer), flat.value(slots.layers.get(i).get(site)), 0);
            }
            ops.convert(layer.inputLayernorm(), norm(new Norm(i, false)));
            ops.convert(layer.postAttentionLayernorm(), norm(new Norm(i, true)));
        }
        ops.convert(weights.norm(), norm(new Norm(config.numHiddenLayers(), false)));
    }

    @Override
    public void close() {
        flat.close();
    }
}
