package org.ingrain.model;

import java.util.Comparator;

/**
 * A weight as it lies on a device: one parameter of the checkpoint, or several that one product fuses. The order of
 * groups is that in which the forward pass reads them, layer by layer, after the embedding.
 *
 * @param layer from 0; {@link #MODEL} for what belongs to no layer
 * @param role  which weight of the layer, or of the model
 */
public record Group(int layer, Role role) implements Comparable<Group> {
    /** Stands for the layer of embeddings, last norm and head. */
    public static final int MODEL = -1;

    public static final Group EMBED_TOKENS = new Group(MODEL, Role.EMBED_TOKENS);
    public static final Group NORM = new Group(MODEL, Role.NORM);
    public static final Group LM_HEAD = new Group(MODEL, Role.LM_HEAD);

    private static final Comparator<Group> ORDER = Comparator.comparingInt(Group::layer).thenComparing(Group::role);

    /**
     * What a weight is for; QKV_PROJ and QKV_BIAS are q, k, v and GATE_UP_PROJ is gate, up, rows below one another.
     */
    public enum Role {
        EMBED_TOKENS, INPUT_LAYERNORM, QKV_PROJ, QKV_BIAS, Q_NORM, K_NORM, O_PROJ, POST_ATTENTION_LAYERNORM,
        GATE_UP_PROJ, DOWN_PROJ, NORM, LM_HEAD;

        /** This weight of a layer. */
        public Group of(int layer) {
            return new Group(layer, this);
        }
    }

    @Override
    public int compareTo(Group other) {
        return ORDER.compare(this, other);
    }
}
