package org.ingrain.engine;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.ingrain.ffi.Context;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;

/**
 * Loads the copies of a model. All ranks of all copies load in parallel; each rank loads its shard of the weights.
 * If several copies are on one CPU, only the first copy loads weights, and the other copies share these weights.
 */
final class Loading {
    /** The copies that load their own weights. */
    private final List<ModelCopy> owners;
    private final List<ModelCopy> copies;
    private final Engine.Listener listener;
    private final int ranks;
    private int layers;

    /** Loads or creates the weights of one rank. */
    interface Share {
        Weights load(Context context, Rank rank, Weights.Progress progress);
    }

    Loading(List<ModelCopy> copies, Engine.Listener listener) {
        this.copies = copies;
        this.listener = listener;
        owners = copies.stream().filter(copy -> owner(copies, copy) == copy && copy.weights().isEmpty())
                .toList();
        ranks = owners.stream().mapToInt(copy -> copy.contexts().size()).sum();
    }

    void run(Share share) {
        long start = System.nanoTime();
        if (owners.size() == 1) {
            load(owners.getFirst(), share);
        } else {
            together(share);
        }
        for (ModelCopy copy : copies) {
            if (copy.weights().isEmpty()) {
                copy.share(owner(copies, copy));
            }
        }
        long bytes = owners.stream().flatMap(copy -> copy.weights().stream()).mapToLong(Weights::bytes).sum();
        listener.allLoaded(bytes, (System.nanoTime() - start) / 1e9);
    }

    /** Returns the copy whose weights {@code copy} uses: the first copy on the same CPU, or {@code copy} itself. */
    static ModelCopy owner(List<ModelCopy> copies, ModelCopy copy) {
        return copies.stream().filter(first -> first == copy || copy.canShare(first)).findFirst().orElseThrow();
    }

    private void together(Share share) {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture.allOf(owners.stream().map(copy -> CompletableFuture.runAsync(() -> load(copy, share),
                    threads)).toArray(CompletableFuture[]::new)).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException known ? known : e;
        }
    }

    private void load(ModelCopy copy, Share share) {
        copy.load(rank -> share.load(copy.contexts().get(rank), copy.rank(rank), this::loaded));
    }

    /** Counts a loaded layer. Each rank calls this method after each layer that it loads. */
    private synchronized void loaded(int ofRank, int of) {
        if (++layers % ranks == 0) {
            listener.loaded(layers / ranks, of);
        }
    }
}
