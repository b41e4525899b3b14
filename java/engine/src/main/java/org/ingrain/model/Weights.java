package org.ingrain.model;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Group.Role;
import org.ingrain.ops.QkNorm;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The parameters of a model on a device, one weight per {@link Group}. Inference and LoRA training never modify the
 * parameters. A tensor-parallel rank holds its share of the parameters.
 */
public final class Weights {
    private final Context context;
    private final Blueprint config;
    private final ParameterTable parameters;
    private final Precision precision;
    private final Rank rank;
    private final boolean owned;
    private final Map<Group, Weight> matrices;
    private final Map<Group, Tensor> vectors;
    private final List<Layer> layers;

    /**
     * One decoder block.
     *
     * @param inputLayernorm         (D)
     * @param qkvProj                ((H + 2K)·E, D)
     * @param qkvBias                ((H + 2K)·E), or null
     * @param qkNorm                 weights of the query and key norms, or null
     * @param oProj                  (D, H·E)
     * @param postAttentionLayernorm (D)
     * @param gateUpProj             (2F, D)
     * @param downProj               (D, F)
     */
    public record Layer(Tensor inputLayernorm, Weight qkvProj, Tensor qkvBias, QkNorm qkNorm, Weight oProj,
            Tensor postAttentionLayernorm, Weight gateUpProj, Weight downProj) {
    }

    /**
     * Creates weights that share the memory of {@code base}, except that the parameters with these names get new memory
     * with undefined content.
     */
    private Weights(Allocator memory, Weights base, Set<String> names) {
        context = memory.context();
        config = base.config;
        precision = base.precision;
        rank = base.rank;
        parameters = base.parameters;
        owned = base.owned;
        matrices = new HashMap<>(base.matrices);
        vectors = new HashMap<>(base.vectors);
        if (config.tieWordEmbeddings()) {   // a new embedding does not change the head
            matrices.put(Group.LM_HEAD, base.lmHead());
        }
        for (String name : names) {
            Parameter p = parameters.replaceable(name);
            if (p == null) {
                throw new InputException("modules_to_save has '" + name
                        + "', which the engine cannot replace without a merge; merge the adapter first");
            }
            if (p.matrix()) {
                Weight.Format format = precision.of(p.group());
                matrices.put(p.group(), memory.weight(format, p.rows(rank), p.columns(rank),
                        p.chunk(format.group())));
            } else {
                vectors.put(p.group(), memory.allocate(precision.activations(), p.rows(rank)));
            }
        }
        layers = IntStream.range(0, config.numHiddenLayers()).mapToObj(this::layer).toList();
    }

    /**
     * A copy of this object in which the parameters with these names have their own memory. {@link #loadReplaced} fills
     * this memory.
     *
     * @throws InputException if a parameter cannot be replaced
     */
    Weights replaced(Allocator memory, Set<String> names) {
        return new Weights(memory, this, names);
    }

    /** Loads and packs the parameters for which {@link #replaced} allocated memory. */
    void loadReplaced(Map<String, HostTensor> values) {
        try (WeightLoader loader = new WeightLoader(context, values::get, rank,
                values.keySet().stream().map(parameters::replaceable).toList())) {
            for (String name : values.keySet()) {
                Parameter p = parameters.replaceable(name);
                if (p.matrix()) {
                    loader.matrix(matrix(p.group()), 0, p);
                } else {
                    loader.vector(vector(p.group()), p);
                }
            }
            context.synchronize();
        }
    }

    /** Receives the progress of a load; called after each layer. */
    public interface Progress {
        void loaded(int layers, int of);
    }

    /** Allocates weights with undefined content. With an {@link Allocator.Counter}, only the size is computed. */
    public Weights(Allocator memory, Blueprint config, Precision precision, Rank rank) {
        rank.require(config, precision.weights().group());
        context = memory.context();
        this.config = config;
        this.precision = precision;
        this.rank = rank;
        owned = true;
        matrices = new HashMap<>();
        vectors = new HashMap<>();
        parameters = config.parameters();
        for (Group group : parameters.groups()) {
            Parameter whole = parameters.fused(group);
            if (whole.matrix()) {
                Weight.Format format = precision.of(group);
                matrices.put(group, memory.weight(format, parameters.rows(group, rank), whole.columns(rank),
                        chunk(whole, format.group())));
            } else {
                vectors.put(group, memory.allocate(precision.activations(), parameters.rows(group, rank)));
            }
        }
        Parameter head = parameters.headParameter();
        if (config.tieWordEmbeddings() && headIsShared()) {
            matrices.put(Group.LM_HEAD, memory.weight(precision.tables(), head.rows(rank), head.columns(), 0));
        }
        layers = IntStream.range(0, config.numHiddenLayers()).mapToObj(this::layer).toList();
    }

    private Weights(Weights of, Context reader) {
        context = reader;
        config = of.config;
        parameters = of.parameters;
        precision = of.precision;
        rank = of.rank;
        owned = false;
        matrices = of.matrices;
        vectors = of.vectors;
        layers = of.layers;
    }

    /**
     * Returns these weights for another context of the same device, which reads the same memory. {@code reader} must be
     * closed before the context that owns the memory.
     */
    public Weights readBy(Context reader) {
        return new Weights(this, reader);
    }

    /**
     * Whether the memory belongs to this object's context. If false, only the object whose context owns the memory may
     * write to the memory.
     */
    public boolean owned() {
        return owned;
    }

    /**
     * Number of columns per partial sum of a weight. In deterministic mode, and always on a CPU, this number does not
     * depend on the number of ranks. Otherwise, if there are several ranks, each rank computes only one partial sum,
     * because the ranks exchange their partial sums in f32, and a single one is exchanged faster.
     */
    private long chunk(Parameter whole, int group) {
        long chunk = whole.chunk(group);
        return chunk == 0 || rank.count() == 1 || context.deterministic() ? chunk : whole.columns(rank);
    }

    private Layer layer(int i) {
        QkNorm qkNorm = !config.attention().qkNorm() ? null
                : new QkNorm(vector(Role.Q_NORM.of(i)), vector(Role.K_NORM.of(i)));
        return new Layer(vector(Role.INPUT_LAYERNORM.of(i)), matrix(Role.QKV_PROJ.of(i)),
                vector(Role.QKV_BIAS.of(i)), qkNorm, matrix(Role.O_PROJ.of(i)),
                vector(Role.POST_ATTENTION_LAYERNORM.of(i)), matrix(Role.GATE_UP_PROJ.of(i)),
                matrix(Role.DOWN_PROJ.of(i)));
    }

    /**
     * Loads and packs every parameter. If a tensor is missing or its shape differs from the config, throws an
     * InputException that names the tensor.
     */
    public static Weights load(Allocator memory, Blueprint config, Precision precision, Rank rank, WeightSource source,
            Progress progress) {
        Weights weights = new Weights(memory, config, precision, rank);
        try (WeightLoader loader = new WeightLoader(weights.context, source, rank, weights.parameters.all())) {
            weights.load(loader, Group.MODEL);
            if (config.tieWordEmbeddings() && weights.headIsShared()) {
                loader.matrix(weights.lmHead(), 0, weights.parameters.headParameter());
            }
            for (int i = 0; i < weights.layers.size(); i++) {
                weights.load(loader, i);
                progress.loaded(i + 1, weights.layers.size());
            }
        }
        return weights;
    }

    private void load(WeightLoader loader, int layer) {
        for (Group group : parameters.groups(layer)) {
            long row = 0;
            for (Parameter part : parameters.parts(group)) {
                if (part.matrix()) {
                    loader.matrix(matrix(group), row, part);
                } else {
                    loader.vector(vector(group).rows(row, row + part.rows(rank)), part);
                }
                row += part.rows(rank);
            }
        }
    }

    /**
     * Random weights for benchmarks without a checkpoint, generated on the device. Matrices have the distribution
     * normal(0, 0.02), weights of norms are 1, and biases are 0. The model is the same for every number of ranks.
     */
    public static Weights random(Context context, Blueprint config, Precision precision, Rank rank, long seed) {
        Weights weights = new Weights(context, config, precision, rank);
        new RandomWeights(weights, seed).fill();
        return weights;
    }

    /**
     * Reserves workspace for products with up to {@code tokens} rows. If {@code backward} is true, the workspace is
     * also large enough for the backward pass.
     */
    public void reserveWorkspace(Allocator memory, long tokens, boolean backward) {
        memory.reserveWorkspace(matrices.values().stream().mapToLong(w ->
                context.matmulWorkspaceBytes(w.dtype(), w.rows(), w.columns(), tokens, backward)).max().orElse(0));
    }

    /** The total size on the device, in bytes. */
    public long bytes() {
        return Stream.concat(vectors.values().stream(), matrices.values().stream().flatMap(matrix ->
                Stream.of(matrix.data(), matrix.scales()))).filter(Objects::nonNull).mapToLong(Tensor::bytes).sum();
    }

    /** The context that computes with the weights. The weights are on the context's device. */
    public Context context() {
        return context;
    }

    public Blueprint config() {
        return config;
    }

    public ParameterTable parameters() {
        return parameters;
    }

    public Precision precision() {
        return precision;
    }

    public Rank rank() {
        return rank;
    }

    public List<Layer> layers() {
        return layers;
    }

    /** This rank's share of a group of matrices (N, C). */
    public Weight matrix(Group group) {
        return matrices.get(group);
    }

    /** This rank's share of a group of vectors (N); null if the model has no such group. */
    public Tensor vector(Group group) {
        return vectors.get(group);
    }

    /** The embedding table (V, D). */
    public Weight embedTokens() {
        return matrix(Group.EMBED_TOKENS);
    }

    /** The weight of the final norm (D). */
    public Tensor norm() {
        return vector(Group.NORM);
    }

    /**
     * The output head (V, D), or this rank's rows of the head. If the config ties the head to the embedding and the
     * head is not sharded, the result is the same object as {@link #embedTokens}.
     */
    public Weight lmHead() {
        return matrices.getOrDefault(Group.LM_HEAD, matrices.get(Group.EMBED_TOKENS));
    }

    /** Whether each rank computes the logits of only its share of the vocabulary. */
    boolean headIsShared() {
        return parameters.headParameter().rows(rank) < config.vocabSize();
    }
}
