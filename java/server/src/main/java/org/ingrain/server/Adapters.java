package org.ingrain.server;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.ingrain.engine.Engine;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.tensor.InputException;

/** Computes the limits of the adapters that a server can load. */
final class Adapters {
    private Adapters() {
    }

    /**
     * Returns the limits in the settings. They are raised if the adapters in the settings exceed them.
     *
     * @throws InputException if an adapter replaces parameters of the model (modules_to_save) and is not the only one
     */
    static AdapterBank.Limits limits(Engine engine, ServerConfig config) {
        List<Adapter> adapters = config.adapters().values().stream().map(engine::adapter).toList();
        int slots = Math.max(config.maxAdapters(), adapters.size());
        if (adapters.stream().anyMatch(adapter -> !adapter.saved().isEmpty())) {
            if (slots > 1) {
                throw InputException.field("adapters", "an adapter with modules_to_save and " + slots
                        + " slots, expected it to be the only adapter");
            }
            return AdapterBank.Limits.of(adapters.getFirst());
        }
        int rank = config.maxAdapterRank();
        Set<Projection> tables = new HashSet<>();
        boolean biases = false;
        for (LoraModule module : adapters.stream().flatMap(adapter -> adapter.modules().stream()).toList()) {
            rank = Math.max(rank, module.rank());
            biases |= module.bias() != null;
            if (module.projection().ofModel()) {
                tables.add(module.projection());
            }
        }
        return slots == 0 ? AdapterBank.Limits.of(0, 0) : new AdapterBank.Limits(slots, rank, tables, biases, Set.of());
    }
}
