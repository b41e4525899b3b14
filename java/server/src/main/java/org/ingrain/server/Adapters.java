package org.ingrain.server;

import java.util.List;
import java.util.Set;
import org.ingrain.engine.Engine;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.tensor.InputException;

/** Computes the limits of the adapters that a server can load. */
final class Adapters {
    private Adapters() {
    }

    /**
     * Returns the limits that the settings state. If the adapters in the settings exceed a limit, it is raised.
     *
     * @throws InputException if an adapter replaces parameters of the model ({@code modules_to_save}) and there can be
     *                        other adapters
     */
    static AdapterBank.Limits limits(Engine engine, ServerConfig config) {
        List<Adapter> adapters = config.adapters().values().stream().map(engine::adapter).toList();
        int slots = Math.max(config.maxAdapters(), adapters.size());
        boolean replacing = adapters.stream().anyMatch(adapter -> !adapter.saved().isEmpty());
        if (replacing && slots > 1) {
            throw InputException.field("adapters", "an adapter has modules_to_save, but the server can load " + slots
                    + " adapters; expected it to be the only adapter, and maxAdapters to be at most 1");
        }
        AdapterBank.Limits given = AdapterBank.Limits.of(adapters);
        if (replacing || slots == 0) {
            return given;
        }
        return new AdapterBank.Limits(slots, Math.max(config.maxAdapterRank(), given.rank()), given.tables(),
                given.biases(), Set.of());
    }
}
