package org.ingrain.model;

import java.util.Comparator;

/**
 * A weight as stored on a device: one parameter of the checkpoint, or several parameters that are fused for one
 * product. Groups are ordered by layer, then by role; the groups outside the layers come first.
 *
 * @param layer layer number, from 0; {@link #MODEL} for a weight outside the layers
 * @param role  function of the weight in the layer or in the model
 */
public record Group(int layer, Role role) implements Comparable<Group> {
    /** The layer number of the embedding, the final norm and the output head. */
    public static final int MODEL = -1;

    public static final Group EMBED_TOKENS = new Group(MODEL, Role.EMBED_TOKENS);
    public static final Group NORM = new Group(MODEL, Role.NORM);
    public static final Group LM_HEAD = new Group(MODEL, Role.LM_HEAD);

    private static final Comparator<Group> ORDER = Comparator.comparingInt(Group::layer).thenComparing(Group::role);

    /**
     * The function of a weight. QKV_PROJ and QKV_BIAS fuse q, k and v; GATE_UP_PROJ fuses gate and up. Fused parameters
     * are stacked along the rows.
     */
    public enum Role {
        EMBED_TOKENS, INPUT_LAYERNORM, QKV_PROJ, QKV_BIAS, Q_NORM, K_NORM, O_PROJ, POST_ATTENTION_LAYERNORM,
        GATE_UP_PROJ, DOWN_PROJ, NORM, LM_HEAD;

        /** The group with this role in a layer. */
        public Group of(int layer) {
            return new Group(layer, this);
        }
    }

    @Override
    public int compareTo(Group other) {
        return ORDER.compare(this, other);
    }
}
