package org.ingrain.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.model.Group.Role;
import org.ingrain.model.Parameter.Init;
import org.ingrain.model.Parameter.Shard;

/**
 * The parameters of a model, in layer order, and the device {@link Group}s that they form. Allocation, loading, random
 * initialisation, sharding, training, adaptation and export all use this table. A new architecture therefore needs only
 * a table and a forward pass.
 *
 * <p>The groups, the parameters that each group fuses, and the dimension along which ranks shard each group:
 * <pre>
 * embed_tokens (V, D)
 * layers.i: input_layernorm (D), post_attention_layernorm (D)
 *           qkv_proj ((H + 2K)·E, D) = q, k, v by rows      o_proj (D, H·E) by columns
 *           qkv_bias ((H + 2K)·E) by rows (Qwen2)           q_norm, k_norm (E) (Qwen3)
 *           gate_up_proj (2F, D) = gate, up by rows         down_proj (D, F) by columns
 * norm (D)  lm_head (V, D) by rows, if there are at least 4 ranks; no lm_head if it is tied to embed_tokens
 * </pre>
 */
public final class ParameterTable {
    private final long d;
    private final Parameter headParameter;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final Map<Group, List<Parameter>> groups = new LinkedHashMap<>();

    ParameterTable(Blueprint c) {
        d = c.hiddenSize();
        long queries = c.attention().queries();
        long keys = c.attention().keys();
        add(table("model.embed_tokens.weight", Group.EMBED_TOKENS, Shard.NONE, c.vocabSize()));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            norm("model.layers." + i + ".input_layernorm.weight", Role.INPUT_LAYERNORM.of(i));
            norm("model.layers." + i + ".post_attention_layernorm.weight", Role.POST_ATTENTION_LAYERNORM.of(i));
            reads(Projection.Q_PROJ, Role.QKV_PROJ.of(i), queries, 1);
            reads(Projection.K_PROJ, Role.QKV_PROJ.of(i), keys, c.attention().headDim());
            reads(Projection.V_PROJ, Role.QKV_PROJ.of(i), keys, c.attention().headDim());
            if (c.attention().qkvBias()) {
                bias(Projection.Q_PROJ, i, queries, 1);
                bias(Projection.K_PROJ, i, keys, c.attention().headDim());
                bias(Projection.V_PROJ, i, keys, c.attention().headDim());
            }
            if (c.attention().qkNorm()) {
                norm("model.layers." + i + ".self_attn.q_norm.weight", Role.Q_NORM.of(i), c.attention().headDim());
                norm("model.layers." + i + ".self_attn.k_norm.weight", Role.K_NORM.of(i), c.attention().headDim());
            }
            writes(Projection.O_PROJ, Role.O_PROJ.of(i), queries);
            reads(Projection.GATE_PROJ, Role.GATE_UP_PROJ.of(i), c.intermediateSize(), 1);
            reads(Projection.UP_PROJ, Role.GATE_UP_PROJ.of(i), c.intermediateSize(), 1);
            writes(Projection.DOWN_PROJ, Role.DOWN_PROJ.of(i), c.intermediateSize());
        }
        norm("model.norm.weight", Group.NORM);
        headParameter = table(c.tieWordEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight", Group.LM_HEAD,
                Shard.VOCABULARY, c.vocabSize());
        if (!c.tieWordEmbeddings()) {
            add(headParameter);
        }
    }

    private Parameter table(String name, Group group, Shard shard, long rows) {
        return new Parameter(name, group, rows, d, shard, 1, Init.NORMAL, true);
    }

    private void norm(String name, Group group) {
        norm(name, group, d);
    }

    private void norm(String name, Group group, long size) {
        add(new Parameter(name, group, size, 0, Shard.NONE, 1, Init.ONES, false));
    }

    /** Adds the bias (N) of a projection that reads the residual stream. */
    private void bias(Projection p, int layer, long rows, long unit) {
        add(new Parameter(p.module(layer) + ".bias", Role.QKV_BIAS.of(layer), rows, 0, Shard.ROWS, unit, Init.ZEROS,
                false));
    }

    /** Adds a projection (N, D) that reads the residual stream. A rank holds the rows of its heads or features. */
    private void reads(Projection p, Group group, long rows, long unit) {
        add(new Parameter(p.weightName(group.layer()), group, rows, d, Shard.ROWS, unit, Init.NORMAL, true));
    }

    /**
     * Adds a projection (D, C) that writes to the residual stream. A rank holds the columns of its heads or features.
     */
    private void writes(Projection p, Group group, long columns) {
        add(new Parameter(p.weightName(group.layer()), group, d, columns, Shard.COLUMNS, 1, Init.RESIDUAL, true));
    }

    private void add(Parameter parameter) {
        parameters.put(parameter.name(), parameter);
        groups.computeIfAbsent(parameter.group(), group -> new ArrayList<>()).add(parameter);
    }

    /** All parameters. A tied head is not listed separately from the embedding. */
    public List<Parameter> all() {
        return List.copyOf(parameters.values());
    }

    /**
     * A module that can be adapted.
     *
     * @param layer layer number, from 0; {@link Group#MODEL} for the embedding and the output head
     */
    public record Site(int layer, Projection projection) {
        static final Site EMBED_TOKENS = new Site(Group.MODEL, Projection.EMBED_TOKENS);
        static final Site LM_HEAD = new Site(Group.MODEL, Projection.LM_HEAD);
    }

    /** All modules that can be adapted, in the order of the forward pass. */
    public List<Site> adaptable() {
        List<Site> sites = new ArrayList<>();
        sites.add(Site.EMBED_TOKENS);
        for (Group group : groups()) {
            if (group.role() == Role.INPUT_LAYERNORM) {
                Projection.LINEAR.forEach(projection -> sites.add(new Site(group.layer(), projection)));
            }
        }
        sites.add(Site.LM_HEAD);
        return sites;
    }

    /** The weight of a module that can be adapted. */
    public Parameter get(int layer, Projection projection) {
        return projection == Projection.LM_HEAD ? headParameter : parameters.get(projection.weightName(layer));
    }

    /** The weight of a module that can be adapted. */
    public Parameter get(Site site) {
        return get(site.layer(), site.projection());
    }

    /**
     * Returns the parameter with this name if an adapter may replace it, otherwise null. A parameter that is fused with
     * others in a group cannot be replaced. A tied output head can be replaced under its own name, independently of the
     * embedding.
     */
    public Parameter replaceable(String name) {
        Parameter found = name.equals(Projection.LM_HEAD.weightName(Group.MODEL))
                ? new Parameter(name, Group.LM_HEAD, headParameter.rows(), d, headParameter.shard(), 1, Init.NORMAL,
                        true) : parameters.get(name);
        return found == null || groups.containsKey(found.group()) && parts(found.group()).size() > 1 ? null : found;
    }

    public List<Group> groups() {
        return List.copyOf(groups.keySet());
    }

    /** The groups of one layer, or of {@link Group#MODEL}. */
    public List<Group> groups(int layer) {
        return groups.keySet().stream().filter(group -> group.layer() == layer).toList();
    }

    /** The parameters of a group, in row order. */
    public List<Parameter> parts(Group group) {
        return groups.get(group);
    }

    /** Returns a group as a single parameter, in which the rows of the fused parameters are stacked. */
    public Parameter fused(Group group) {
        Parameter first = parts(group).getFirst();
        long rows = parts(group).stream().mapToLong(Parameter::rows).sum();
        return new Parameter(group.toString(), group, rows, first.columns(), first.shard(), first.unit(), first.init(),
                first.decayed());
    }

    /** The first row of a parameter in its group. */
    public long firstRow(Parameter parameter) {
        return firstRow(parameter, Rank.SINGLE);
    }

    /** The first row of a rank's share of a parameter, counted within the rank's share of the group. */
    public long firstRow(Parameter parameter, Rank rank) {
        return parts(parameter.group()).stream().takeWhile(part -> !part.equals(parameter))
                .mapToLong(part -> part.rows(rank)).sum();
    }

    /** The number of rows of a group that a rank holds. */
    public long rows(Group group, Rank rank) {
        return parts(group).stream().mapToLong(part -> part.rows(rank)).sum();
    }

    /** The group of the output head; the embedding's group if the head is tied. */
    public Group head() {
        return groups.containsKey(Group.LM_HEAD) ? Group.LM_HEAD : Group.EMBED_TOKENS;
    }

    /** The parameter of the output head, with the head's sharding. A tied head has the name of the embedding. */
    Parameter headParameter() {
        return headParameter;
    }

    /** The total number of elements of all parameters. */
    public long elements() {
        return parameters.values().stream().mapToLong(Parameter::elements).sum();
    }
}
