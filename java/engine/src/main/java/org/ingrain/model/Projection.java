package org.ingrain.model;

/** The seven linear layers of a decoder block, with the order and the names of Hugging Face. */
public enum Projection {
    Q_PROJ("self_attn.q_proj"), K_PROJ("self_attn.k_proj"), V_PROJ("self_attn.v_proj"), O_PROJ("self_attn.o_proj"),
    GATE_PROJ("mlp.gate_proj"), UP_PROJ("mlp.up_proj"), DOWN_PROJ("mlp.down_proj");

    private final String path;

    Projection(String path) {
        this.path = path;
    }

    /** The last component of the module path, such as {@code q_proj}. Adapters name their targets this way. */
    public String target() {
        return path.substring(path.indexOf('.') + 1);
    }

    /** The module path, such as {@code model.layers.3.self_attn.q_proj}. */
    public String module(int layer) {
        return "model.layers." + layer + "." + path;
    }

    /** The weight's name, such as {@code model.layers.3.self_attn.q_proj.weight}. */
    public String weightName(int layer) {
        return module(layer) + ".weight";
    }
}
