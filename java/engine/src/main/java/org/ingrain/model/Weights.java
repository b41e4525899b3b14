package org.ingrain.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The parameters of a Llama on a device; never changed while sampling or under LoRA. q, k, v are one weight and gate, up are one
 * weight. A tensor-parallel rank holds its heads' rows of q, k, v, its part of gate and up, and the matching columns of o and down;
 * embeddings, norms and the head are on every rank.
 */
public final class Weights {
    private static final long SLAB_ELEMENTS = 8L << 20;

    private final Blueprint config;
    private final Precision precision;
    private final Rank rank;
    private final Weight embedTokens;
    private final List<Layer> layers = new ArrayList<>();
    private final Tensor norm;
    private final Weight lmHead;

    /**
     * One decoder block.
     *
     * @param inputLayernorm         (D)
     * @param qkvProj                ((H + 2K)·E, D)
     * @param oProj                  (D, H·E)
     * @param postAttentionLayernorm (D)
     * @param gateUpProj             (2F, D)
     * @param downProj               (D, F)
     */
    public record Layer(Tensor inputLayernorm, Weight qkvProj, Weight oProj, Tensor postAttentionLayernorm, Weight gateUpProj,
                        Weight downProj) {
    }

    /** Progress of a load, called after each layer. */
    public interface Progress {
        void loaded(int layers, int of);
    }

    private Weights(Context context, Blueprint config, Precision precision, Rank rank) {
        rank.require(config);
        this.config = config;
        this.precision = precision;
        this.rank = rank;
        long d = config.hiddenSize();
        embedTokens = table(context);
        lmHead = config.tieWordEmbeddings() ? embedTokens : table(context);
        norm = context.allocate(precision.activations(), d);
        long qkv = Projection.Q_PROJ.rows(config) + 2 * Projection.K_PROJ.rows(config);
        long heads = Projection.O_PROJ.columns(config);
        long f = config.intermediateSize();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(new Layer(context.allocate(precision.activations(), d), weight(context, qkv / rank.count(), d, 0),
                    weight(context, d, heads / rank.count(), Rank.chunk(heads)), context.allocate(precision.activations(), d),
                    weight(context, 2 * f / rank.count(), d, 0), weight(context, d, f / rank.count(), Rank.chunk(f))));
        }
    }

    private Weight table(Context context) {
        return context.weight(precision.tables(), Weight.Layout.PACKED, config.vocabSize(), config.hiddenSize(), 0);
    }

    private Weight weight(Context context, long rows, long columns, long chunk) {
        return context.weight(precision.weights(), Weight.Layout.PACKED, rows, columns, chunk);
    }

    /** Copies and packs every parameter; an InputException names a tensor that is missing or has another shape than the config says. */
    public static Weights load(Context context, Blueprint config, Precision precision, Rank rank, WeightSource source, Progress progress) {
        Weights weights = new Weights(context, config, precision, rank);
        try (WeightLoader loader = new WeightLoader(context, source, rank)) {
            loader.packRows(weights.embedTokens, 0, "model.embed_tokens.weight", config.vocabSize(), config.hiddenSize());
            for (int i = 0; i < weights.layers.size(); i++) {
                weights.loadLayer(loader, i);
                progress.loaded(i + 1, weights.layers.size());
            }
            loader.vector(weights.norm, "model.norm.weight");
            if (!config.tieWordEmbeddings()) {
                loader.packRows(weights.lmHead, 0, "lm_head.weight", config.vocabSize(), config.hiddenSize());
            }
        }
        return weights;
    }

    private void loadLayer(WeightLoader loader, int i) {
        Layer layer = layers.get(i);
        String prefix = "model.layers." + i + ".";
        loader.vector(layer.inputLayernorm, prefix + "input_layernorm.weight");
        loader.vector(layer.postAttentionLayernorm, prefix + "post_attention_layernorm.weight");
        long row = 0;
        for (Projection p : List.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ)) {
            row += loader.packShardOfRows(layer.qkvProj, row, p.weightName(i), p.rows(config), p.columns(config));
        }
        row = 0;
        for (Projection p : List.of(Projection.GATE_PROJ, Projection.UP_PROJ)) {
            row += loader.packShardOfRows(layer.gateUpProj, row, p.weightName(i), p.rows(config), p.columns(config));
        }
        loader.packShardOfColumns(layer.oProj, Projection.O_PROJ.weightName(i), Projection.O_PROJ.rows(config), Projection.O_PROJ.columns(config));
        loader.packShardOfColumns(layer.downProj, Projection.DOWN_PROJ.weightName(i), Projection.DOWN_PROJ.rows(config),
                Projection.DOWN_PROJ.columns(config));
    }

    /** Random weights, normal(0, 0.02) with norms of 1, filled on the device: for measuring without a checkpoint. */
    public static Weights random(Context context, Blueprint config, Precision precision, long seed) {
        Weights weights = new Weights(context, config, precision, Rank.SINGLE);
        Ops ops = new Ops(context);
        long next = seed;
        List<Weight> matrices = new ArrayList<>(List.of(weights.embedTokens));
        List<Tensor> norms = new ArrayList<>(List.of(weights.norm));
        if (!config.tieWordEmbeddings()) {
            matrices.add(weights.lmHead);
        }
        for (Layer layer : weights.layers) {
            matrices.addAll(List.of(layer.qkvProj, layer.oProj, layer.gateUpProj, layer.downProj));
            norms.addAll(List.of(layer.inputLayernorm, layer.postAttentionLayernorm));
        }
        for (Weight matrix : matrices) {
            fill(context, ops, matrix, next++);
        }
        float[] ones = new float[config.hiddenSize()];
        Arrays.fill(ones, 1);
        Tensor one = context.allocate(DType.F32, ones.length);
        context.write(one, ones);
        norms.forEach(tensor -> ops.convert(tensor, one));
        context.free(one);
        return weights;
    }

    /** By way of rows as a file has them, so that the model is the same whatever order a backend packs weights in. */
    private static void fill(Context context, Ops ops, Weight matrix, long seed) {
        long step = Math.clamp(SLAB_ELEMENTS / matrix.columns(), 1, matrix.rows());
        Tensor slab = context.allocate(matrix.dtype() == DType.F8E4M3 ? DType.BF16 : matrix.dtype(), step, matrix.columns());
        for (long row = 0; row < matrix.rows(); row += step) {
            Tensor rows = slab.rows(0, Math.min(step, matrix.rows() - row));
            ops.randomNormal(rows, 0.02f, seed + (row << 32));
            ops.pack(matrix, rows, row);
        }
        context.free(slab);
    }

    /** Bytes that these weights take on a device. */
    public static long bytes(Context context, Blueprint c, Precision precision, Rank rank) {
        long d = c.hiddenSize();
        long table = context.weightBytes(precision.tables(), Weight.Layout.PACKED, c.vocabSize(), d);
        long perLayer = 2 * d * precision.activations().bytes();
        for (Projection p : Projection.values()) {
            boolean byColumns = p == Projection.O_PROJ || p == Projection.DOWN_PROJ;
            perLayer += context.weightBytes(precision.weights(), Weight.Layout.PACKED, byColumns ? p.rows(c) : p.rows(c) / rank.count(),
                    byColumns ? p.columns(c) / rank.count() : p.columns(c));
        }
        return table * (c.tieWordEmbeddings() ? 1 : 2) + c.numHiddenLayers() * perLayer + d * precision.activations().bytes();
    }

    /** Workspace that the products of these weights want for steps of up to {@code tokens} rows; backward: of training too. */
    public static long workspaceBytes(Context context, Blueprint c, Precision precision, long tokens, boolean backward) {
        long qkv = Projection.Q_PROJ.rows(c) + 2 * Projection.K_PROJ.rows(c);
        long[][] shapes = {{qkv, c.hiddenSize()}, {c.hiddenSize(), Projection.O_PROJ.columns(c)}, {2L * c.intermediateSize(), c.hiddenSize()},
            {c.hiddenSize(), c.intermediateSize()}};
        long most = context.matmulWorkspaceBytes(precision.tables(), c.vocabSize(), c.hiddenSize(), tokens, backward);
        for (long[] shape : shapes) {
            most = Math.max(most, context.matmulWorkspaceBytes(precision.weights(), shape[0], shape[1], tokens, backward));
        }
        return most;
    }

    public Blueprint config() {
        return config;
    }

    public Precision precision() {
        return precision;
    }

    public Rank rank() {
        return rank;
    }

    /** (V, D). */
    public Weight embedTokens() {
        return embedTokens;
    }

    public List<Layer> layers() {
        return layers;
    }

    /** (D) the final norm. */
    public Tensor norm() {
        return norm;
    }

    /** (V, D); the same object as {@link #embedTokens} where the config ties them. */
    public Weight lmHead() {
        return lmHead;
    }

    /** Refuses a host tensor whose shape is not the one the config implies. */
    static void requireShape(String name, HostTensor tensor, long... shape) {
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw new InputException(name + ": shape " + Arrays.toString(tensor.shape()) + ", expected " + Arrays.toString(shape)
                    + " from config.json");
        }
    }
}
