package org.ingrain.engine;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.ingrain.ffi.Context;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;

/** Loads the copies of a model. All ranks of all copies load in parallel; each loads its shard of the mapped files. */
final class Loading {
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
        ranks = copies.stream().mapToInt(copy -> copy.contexts().size()).sum();
    }

    void run(Share share) {
        long start = System.nanoTime();
        if (copies.size() == 1) {
            load(copies.getFirst(), share);
        } else {
            together(share);
        }
        long bytes = copies.stream().flatMap(copy -> copy.weights().stream()).mapToLong(Weights::bytes).sum();
        listener.allLoaded(bytes, (System.nanoTime() - start) / 1e9);
    }

    private void together(Share share) {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture.allOf(copies.stream().map(copy -> CompletableFuture.runAsync(() -> load(copy, share),
                    threads)).toArray(CompletableFuture[]::new)).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException known ? known : e;
        }
    }

    private void load(ModelCopy copy, Share share) {
        copy.load(rank -> share.load(copy.contexts().get(rank), copy.rank(rank), this::loaded));
    }

    /** Called by each rank after each layer that it has loaded. */
    private synchronized void loaded(int ofRank, int of) {
        if (++layers % ranks == 0) {
            listener.loaded(layers / ranks, of);
        }
    }
}
