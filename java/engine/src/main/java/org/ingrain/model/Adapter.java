package org.ingrain.model;

import java.util.List;
import java.util.Map;
import org.ingrain.tensor.HostTensor;

/**
 * The changes that an adapter makes to a model.
 *
 * @param modules the low-rank updates
 * @param saved   parameters that replace parameters of the model (modules_to_save), by name, such as {@code
 *                lm_head.weight}
 */
public record Adapter(List<LoraModule> modules, Map<String, HostTensor> saved) {
    public Adapter {
        modules = List.copyOf(modules);
        saved = Map.copyOf(saved);
    }

    /** An adapter that has these low-rank updates and replaces no parameters. */
    public static Adapter of(List<LoraModule> modules) {
        return new Adapter(modules, Map.of());
    }
}
