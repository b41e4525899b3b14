package org.ingrain.sample;

import java.util.List;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;

/**
 * One copy of a model, sharded over its ranks.
 *
 * @param ranks    whose threads use what belongs to them
 * @param weights  of each rank
 * @param adapters of each rank; empty where requests name none
 */
public record ShardedModel(RankGroup ranks, List<Weights> weights, List<AdapterBank> adapters) {
    public ShardedModel {
        weights = List.copyOf(weights);
        adapters = List.copyOf(adapters);
    }

    /** The whole model, used on the thread that calls; adapters may be null. */
    static ShardedModel whole(Weights weights, AdapterBank adapters) {
        return new ShardedModel(RankGroup.onCallersThread(), List.of(weights),
                adapters == null ? List.of() : List.of(adapters));
    }

    /** Null where there are none. */
    AdapterBank adapters(int rank) {
        return adapters.isEmpty() ? null : adapters.get(rank);
    }

    /** Adapters that can be loaded at a time. */
    int adapterSlots() {
        return adapters.isEmpty() ? 0 : adapters.getFirst().slots();
    }
}
