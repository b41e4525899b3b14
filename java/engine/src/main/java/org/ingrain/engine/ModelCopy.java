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

/**
 * One copy of a model. Each rank of the copy has a context and a shard of the weights. Several ranks run on their own
 * threads; a single rank can also run on the calling thread.
 */
final class ModelCopy implements AutoCloseable {
    private final RankGroup ranks;
    /** Null if this copy has only one rank. */
    private final Communicator communicator;
    private final Context[] contexts;
    private List<Weights> weights = List.of();
    /** Copies that read the weights of this copy. These copies must be closed before this copy. */
    private final List<ModelCopy> readers = new ArrayList<>();
    /** Whether a rank may still be running although {@link #close} has been called. */
    private boolean hangs;

    /**
     * Opens one context per rank.
     *
     * @param places   options of each rank's context, which include the device
     * @param names    names of the ranks, for error messages
     * @param threaded true: each rank has its own thread. False: the rank runs on the calling thread, which is possible
     *                 only if there is a single rank
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

    /** Makes the ranks read the weights that another copy on the same CPU has loaded. */
    void share(ModelCopy owner) {
        owner.readers.add(this);
        weights = ranks.run(rank -> owner.weights.get(rank).readBy(contexts[rank]));
    }

    /**
     * Whether the ranks can read the weights of another copy without copying them. This is possible if both copies are
     * on the CPU, because on the CPU an op is complete when its call returns.
     */
    boolean canShare(ModelCopy other) {
        return !contexts[0].device().asynchronous()
                && contexts[0].deviceNumber() == other.contexts[0].deviceNumber();
    }

    Rank rank(int index) {
        return new Rank(index, contexts.length);
    }

    /** The number of free bytes on the device of each rank. */
    List<Long> free() {
        return ranks.run(rank -> contexts[rank].memoryInfo().free());
    }

    /**
     * Synchronises all contexts before it closes any of them, because freeing memory waits for all work on the device,
     * including the work of other ranks.
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
            hangs = true;   // remains true if close throws
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
