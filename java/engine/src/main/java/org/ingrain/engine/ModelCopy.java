package org.ingrain.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;

/** One copy of a model. Each of its ranks has a thread, a context and a shard of the weights. */
final class ModelCopy implements AutoCloseable {
    private final RankGroup ranks;
    /** Null with one rank. */
    private final Communicator communicator;
    private final Context[] contexts;
    private List<Weights> weights = List.of();
    /** Copies that read these weights; they close first. */
    private final List<ModelCopy> readers = new ArrayList<>();
    /** Whether a rank may still run although this copy has closed. */
    private boolean hangs;

    /**
     * Opens one context per rank.
     *
     * @param places   options of each rank's context, which include the device
     * @param names    names of the ranks in error messages
     * @param threaded whether a single rank has its own thread
     */
    ModelCopy(Backend backend, List<ContextOptions> places, List<String> names, boolean threaded) {
        contexts = new Context[places.size()];
        communicator = places.size() == 1 ? null : new Communicator(backend, places.size());
        ranks = threaded ? new RankGroup(communicator, names) : RankGroup.onCallersThread();
        try {
            ranks.run(rank -> contexts[rank] = backend.context(places.get(rank)));
            if (communicator != null) {
                ranks.run(rank -> {
                    contexts[rank].join(communicator, rank);
                    return null;
                });
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    RankGroup ranks() {
        return ranks;
    }

    List<Context> contexts() {
        return Arrays.asList(contexts);
    }

    /** The weights of each rank; empty before {@link #load}. */
    List<Weights> weights() {
        return weights;
    }

    /** Loads the weights of all ranks in parallel. */
    void load(IntFunction<Weights> share) {
        weights = ranks.run(share);
    }

    /** Reads the weights of another copy on the same CPU, which has loaded them. */
    void share(ModelCopy owner) {
        owner.readers.add(this);
        weights = ranks.run(rank -> owner.weights.get(rank).readBy(contexts[rank]));
    }

    /** Whether the ranks can read the weights of another copy in place: ops of the CPU have run when they return. */
    boolean canShare(ModelCopy other) {
        return !contexts[0].device().asynchronous()
                && contexts[0].deviceNumber() == other.contexts[0].deviceNumber();
    }

    Rank rank(int index) {
        return new Rank(index, contexts.length);
    }

    /** Bytes free on the device of each rank. */
    List<Long> free() {
        return ranks.run(rank -> contexts[rank].memoryInfo().free());
    }

    /**
     * Synchronizes all contexts before it closes one of them, because freeing memory waits for the device and therefore
     * for other ranks.
     */
    @Override
    public void close() {
        List<Context> open = new ArrayList<>(Arrays.asList(contexts));
        try {
            if (communicator != null && !ranks.hasFailed()) {
                ranks.run(rank -> {
                    open.get(rank).synchronize();
                    return null;
                });
            }
        } finally {
            boolean inUse = readers.stream().anyMatch(reader -> reader.hangs);
            hangs = true;   // unless close returns
            hangs = !ranks.close(rank -> {
                if (open.get(rank) != null && !inUse) {
                    open.get(rank).close();
                }
            });
            if (communicator != null) {
                communicator.close();
            }
        }
    }
}
