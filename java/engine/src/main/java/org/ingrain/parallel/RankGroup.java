package org.ingrain.parallel;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.ingrain.ffi.Communicator;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/**
 * A group of ranks with one thread per rank. Rank 0 is the leader: work for all ranks is dispatched by its thread, so
 * that all ranks make the same calls in the same order, whichever thread requests them. If a rank fails, the
 * communicator is closed, which ends the collectives that other ranks wait in. From then on every call throws the first
 * failure, whose message names the rank and its device.
 */
public final class RankGroup implements AutoCloseable {
    /** How long to wait for the other ranks after one has failed. */
    private static final long GRACE_SECONDS = 10;

    private final List<String> names;
    /** Null for one rank. */
    private final Communicator communicator;
    /** Empty if the only rank runs on the calling thread. */
    private final List<ExecutorService> threads = new ArrayList<>();
    private final CompletableFuture<Void> failure = new CompletableFuture<>();
    private volatile Thread leader;

    /**
     * Starts one thread per rank.
     *
     * @param communicator the communicator that the ranks' contexts join; null for one rank
     * @param names        one per rank, with its device: the name of its thread, also used in messages
     */
    public RankGroup(Communicator communicator, List<String> names) {
        if (names.size() != (communicator == null ? 1 : communicator.ranks())) {
            throw new IllegalArgumentException("names " + names + ", expected one for each rank of the communicator");
        }
        this.communicator = communicator;
        this.names = List.copyOf(names);
        for (String name : names) {
            threads.add(Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name(name).factory()));
        }
        threads.getFirst().execute(() -> leader = Thread.currentThread());
    }

    private RankGroup() {
        communicator = null;
        names = List.of("rank 0");
    }

    /** A group of one rank that runs on the calling thread. */
    public static RankGroup onCallersThread() {
        return new RankGroup();
    }

    public int ranks() {
        return names.size();
    }

    /** The communicator that the ranks' contexts join; null for one rank. */
    public Communicator communicator() {
        return communicator;
    }

    /** Whether the ranks have threads of their own. */
    public boolean threaded() {
        return !threads.isEmpty();
    }

    /** Runs work(rank) on every rank and waits. The results are in the order of the ranks. */
    public <T> List<T> run(IntFunction<T> work) {
        return onLeader(() -> all(work));
    }

    /** Runs work on the thread of rank 0 and waits. */
    public <T> T onLeader(Supplier<T> work) {
        throwFailure();
        if (threads.isEmpty() || Thread.currentThread() == leader) {
            return work.get();
        }
        return await(submit(0, work));
    }

    /** Enqueues work for the thread of rank 0 and does not wait. The work must report its own result or failure. */
    public void post(Runnable work) {
        threads.getFirst().execute(work);
    }

    /** Enqueues work(rank) for every rank except 0 and does not wait. Call it on the leader's thread. */
    public void follow(IntConsumer work) {
        for (int i = 1; i < threads.size(); i++) {
            int rank = i;
            submit(rank, () -> {
                throwFailure();
                work.accept(rank);
                return null;
            });
        }
    }

    private <T> List<T> all(IntFunction<T> work) {
        if (threads.isEmpty()) {
            return Collections.singletonList(work.apply(0));
        }
        List<CompletableFuture<T>> others = new ArrayList<>();
        for (int i = 1; i < threads.size(); i++) {
            int rank = i;
            others.add(submit(rank, () -> work.apply(rank)));
        }
        List<T> results = new ArrayList<>();
        try {
            results.add(work.apply(0));
        } catch (RuntimeException | Error e) {
            failed(0, e);
        }
        others.forEach(other -> results.add(await(other)));
        throwFailure();
        return results;
    }

    private <T> CompletableFuture<T> submit(int rank, Supplier<T> work) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return work.get();
            } catch (RuntimeException | Error e) {
                throw failed(rank, e);
            }
        }, threads.get(rank));
    }

    /** Waits for the result. After a failure it waits at most {@link #GRACE_SECONDS}, since the task may never end. */
    private <T> T await(CompletableFuture<T> task) {
        try {
            CompletableFuture.anyOf(task, failure).exceptionally(e -> null).get();
            return failure.isDone() ? task.exceptionally(e -> null).get(GRACE_SECONDS, TimeUnit.SECONDS) : task.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (TimeoutException e) {
            throwFailure();
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a rank", e);
        } finally {
            throwFailure();
        }
    }

    /**
     * Records that a rank failed and closes the communicator, which ends the collectives of the others. Returns the
     * failure of the rank that failed first.
     */
    public RuntimeException failed(int rank, Throwable cause) {
        if (threads.isEmpty()) {
            return cause instanceof RuntimeException known ? known : new IllegalStateException(cause);
        }
        failure.completeExceptionally(named(names.get(rank), cause));
        if (communicator != null) {
            communicator.close();
        }
        return failure();
    }

    /** Adds the rank to the message, except for errors of the input or of the model's numbers, which no rank causes. */
    private static RuntimeException named(String rank, Throwable cause) {
        if (cause instanceof InputException || cause instanceof ArithmeticException) {
            return (RuntimeException) cause;
        }
        if (cause instanceof BackendException backend && backend.getMessage().contains(rank + ": ")) {
            return backend;   // a collective names the rank itself
        }
        RuntimeException named = cause instanceof BackendException backend
                ? new BackendException(rank, backend.status(), backend.getMessage())
                : new IllegalStateException(rank + ": " + (cause.getMessage() == null ? cause : cause.getMessage()));
        named.initCause(cause);
        return named;
    }

    private RuntimeException failure() {
        return failure.isCompletedExceptionally() ? (RuntimeException) failure.exceptionNow() : null;
    }

    private void throwFailure() {
        RuntimeException first = failure();
        if (first != null) {
            throw first;
        }
    }

    /** Whether a rank has failed. */
    public boolean hasFailed() {
        return failure.isDone();
    }

    /**
     * Runs {@code last}(rank) on every rank, even after a failure, and ends the threads. Waits for each rank for at
     * most {@link #GRACE_SECONDS}. Then throws the first exception of {@code last}, unless the group had already
     * failed.
     */
    public void close(IntConsumer last) {
        if (threads.isEmpty()) {
            last.accept(0);
            return;
        }
        List<Future<?>> ends = new ArrayList<>();
        for (int i = 0; i < threads.size(); i++) {
            int rank = i;
            ends.add(threads.get(rank).submit(() -> last.accept(rank)));
        }
        threads.forEach(ExecutorService::shutdown);
        RuntimeException failed = null;
        for (Future<?> end : ends) {
            try {
                end.get(GRACE_SECONDS, TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException e) {
                failed = failed == null ? new CompletionException("cannot close the ranks", e) : failed;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        if (failed != null && !hasFailed()) {
            throw failed;
        }
    }

    @Override
    public void close() {
        threads.forEach(ExecutorService::shutdown);
    }
}
