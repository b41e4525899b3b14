package org.ingrain.model;

import java.util.List;
import java.util.Map;
import org.ingrain.tensor.HostTensor;

/**
 * What an adapter changes in a model.
 *
 * @param modules the low-rank updates
 * @param saved   parameters that replace the model's (modules_to_save), by name, such as {@code lm_head.weight}
 */
public record Adapter(List<LoraModule> modules, Map<String, HostTensor> saved) {
    public Adapter {
        modules = List.copyOf(modules);
        saved = Map.copyOf(saved);
    }

    /** An adapter of low-rank updates alone. */
    public static Adapter of(List<LoraModule> modules) {
        return new Adapter(modules, Map.of());
    }
}
