package org.ingrain.sample;

import java.util.List;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;

/**
 * One replica of a model, sharded over its ranks.
 *
 * @param name     name of the model in error messages
 * @param ranks    the ranks and their threads
 * @param weights  weights of each rank, used on the rank's thread
 * @param adapters adapter bank of each rank; empty if requests cannot use adapters
 */
public record ShardedModel(String name, RankGroup ranks, List<Weights> weights, List<AdapterBank> adapters) {
    public ShardedModel {
        weights = List.copyOf(weights);
        adapters = List.copyOf(adapters);
    }

    /** A replica of an unnamed model. */
    public ShardedModel(RankGroup ranks, List<Weights> weights, List<AdapterBank> adapters) {
        this("the model", ranks, weights, adapters);
    }

    /** A model that is not sharded, on one rank that runs on the calling thread. {@code adapters} may be null. */
    static ShardedModel whole(Weights weights, AdapterBank adapters) {
        return new ShardedModel(RankGroup.onCallersThread(), List.of(weights),
                adapters == null ? List.of() : List.of(adapters));
    }

    /** The adapter bank of a rank, or null if there is none. */
    AdapterBank adapters(int rank) {
        return adapters.isEmpty() ? null : adapters.get(rank);
    }

    /** Number of adapter slots. */
    int adapterSlots() {
        return adapters.isEmpty() ? 0 : adapters.getFirst().slots();
    }
}
