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
 * The threads of a group of ranks, one a rank, and the order of their work. Rank 0 leads: whatever all ranks do goes
 * through its thread, which hands it to the others, so that every rank does the same calls in the same order, whoever
 * asks for them. Where one rank fails the others are released from the collective they wait in, and from then on every
 * call throws that first failure: its message names the rank and its device.
 */
public final class RankGroup implements AutoCloseable {
    /** How long the other ranks have to end after one has failed. */
    private static final long GRACE_SECONDS = 10;

    private final List<String> names;
    /** Null where there is one rank. */
    private final Communicator communicator;
    /** Empty where the one rank is whatever thread calls. */
    private final List<ExecutorService> threads = new ArrayList<>();
    private final CompletableFuture<Void> failure = new CompletableFuture<>();
    private volatile Thread leader;

    /**
     * A thread for each rank of the communicator.
     *
     * @param communicator that the ranks' contexts join; null for one rank
     * @param names        of the ranks, with their devices, as messages name them
     */
    public RankGroup(Communicator communicator, List<String> names) {
        if (names.size() != (communicator == null ? 1 : communicator.ranks())) {
            throw new IllegalArgumentException("names " + names + " of other ranks than the communicator's");
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

    /** One rank, whose work is done on the thread that calls. */
    public static RankGroup onCallersThread() {
        return new RankGroup();
    }

    public int ranks() {
        return names.size();
    }

    /** That the ranks' contexts join; null where there is one rank. */
    public Communicator communicator() {
        return communicator;
    }

    /** Whether the ranks have threads of their own. */
    public boolean threaded() {
        return !threads.isEmpty();
    }

    /** Runs work(rank) on every rank and waits; the results in the order of ranks. */
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

    /** Enqueues work for the thread of rank 0 and does not wait; the work itself reports its result or failure. */
    public void post(Runnable work) {
        threads.getFirst().execute(work);
    }

    /** On the leader's thread: runs work(rank) on every other rank, later. */
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

    /** The result; after a failure of another rank not for long, since this one may never end. */
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
            throw new IllegalStateException("interrupted while ranks were working", e);
        } finally {
            throwFailure();
        }
    }

    /** A rank has failed: releases the others. Returns the group's failure, which is that of the first rank. */
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

    /** What is wrong with the input or with the model's numbers is no fault of a rank. */
    private static RuntimeException named(String rank, Throwable cause) {
        if (cause instanceof InputException || cause instanceof ArithmeticException) {
            return (RuntimeException) cause;
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
     * Runs {@code last}(rank) on every rank, also after a failure, and ends the threads. What it throws is thrown once
     * all have ended; a rank that hangs is left alone.
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
                failed = failed == null ? new CompletionException("ranks cannot be closed", e) : failed;
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
