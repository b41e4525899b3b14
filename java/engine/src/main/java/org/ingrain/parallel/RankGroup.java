package org.ingrain.parallel;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import org.ingrain.ffi.Communicator;

/**
 * The threads of a group of ranks, one a rank. Work is given to all of them at once, and every rank does the
 * same calls in the same order; where one fails the others are released from the collective they wait in.
 */
public final class RankGroup implements AutoCloseable {
    private final Communicator communicator;
    private final List<ExecutorService> threads = new ArrayList<>();

    public RankGroup(Communicator communicator) {
        this.communicator = communicator;
        for (int i = 0; i < communicator.ranks(); i++) {
            threads.add(Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("rank-" + i).factory()));
        }
    }

    /**
     * Runs work(rank) on every rank; the results in the order of ranks. The first failure is thrown after all have
     * ended.
     */
    public <T> List<T> run(IntFunction<T> work) {
        List<Future<T>> futures = new ArrayList<>();
        for (int i = 0; i < threads.size(); i++) {
            int rank = i;
            futures.add(threads.get(i).submit(() -> {
                try {
                    return work.apply(rank);
                } catch (RuntimeException | Error e) {
                    communicator.close();
                    throw e;
                }
            }));
        }
        List<T> results = new ArrayList<>();
        RuntimeException failure = null;
        for (Future<T> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                failure = failure == null ? new IllegalStateException(
                        "a rank failed: " + e.getCause().getMessage(), e.getCause()) : failure;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while ranks were working", e);
            }
        }
        if (failure != null) {
            throw failure;
        }
        return results;
    }

    @Override
    public void close() {
        threads.forEach(ExecutorService::shutdown);
    }
}
