package org.ingrain.model;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * The modules that an adapter can adapt, with Hugging Face's names: the seven linear layers of a decoder block, in the
 * order of the forward pass, then the embedding and the output head.
 */
public enum Projection {
    Q_PROJ("self_attn.q_proj"), K_PROJ("self_attn.k_proj"), V_PROJ("self_attn.v_proj"), O_PROJ("self_attn.o_proj"),
    GATE_PROJ("mlp.gate_proj"), UP_PROJ("mlp.up_proj"), DOWN_PROJ("mlp.down_proj"),
    EMBED_TOKENS("model.embed_tokens"), LM_HEAD("lm_head");

    /** The seven linear layers of a block. */
    public static final Set<Projection> LINEAR =
            Collections.unmodifiableSet(EnumSet.range(Q_PROJ, DOWN_PROJ));

    private final String path;

    Projection(String path) {
        this.path = path;
    }

    /** Whether this is the embedding or the output head. The layer of these two modules is {@link Group#MODEL}. */
    public boolean ofModel() {
        return !LINEAR.contains(this);
    }

    /** The last component of the module path, such as {@code q_proj}. Adapters name their targets this way. */
    public String target() {
        return path.substring(path.indexOf('.') + 1);
    }

    /** The module path, such as {@code model.layers.3.self_attn.q_proj}. */
    public String module(int layer) {
        return ofModel() ? path : "model.layers." + layer + "." + path;
    }

    /** The weight's name, such as {@code model.layers.3.self_attn.q_proj.weight}. */
    public String weightName(int layer) {
        return module(layer) + ".weight";
    }

    /** Columns C of lora_A: C for the weight (N, C) of a linear layer, or V for the embedding (V, D). */
    public long inputs(Parameter weight) {
        return this == EMBED_TOKENS ? weight.rows() : weight.columns();
    }

    /** Rows N of lora_B: N for the weight (N, C) of a linear layer, or D for the embedding (V, D). */
    public long outputs(Parameter weight) {
        return this == EMBED_TOKENS ? weight.columns() : weight.rows();
    }
}
