package org.ingrain.parallel;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.ingrain.ffi.Communicator;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/**
 * A group of ranks with one thread per rank. Rank 0 is the leader. The leader's thread dispatches the work for all
 * ranks, so that all ranks make the same calls in the same order, even if several threads request work. If a rank
 * fails, the group closes the communicator. Collectives in which other ranks wait then end with an error. From then on,
 * every call throws the exception of the rank that failed first. The message of the exception names the rank and its
 * device. If all ranks throw an {@link InputException} in the same {@link #run}, no rank waits for another rank, so the
 * group remains usable.
 */
public final class RankGroup implements AutoCloseable {
    /** Maximum wait for a rank, in seconds, after another rank has failed or when the group is closed. */
    private static final long GRACE_SECONDS = 10;
    /**
     * A rank that throws an InputException waits at most this many seconds for the other ranks to end their work. The
     * limit is needed because another rank may be waiting in a collective for the rank with the exception.
     */
    private static final long REFUSAL_SECONDS = 2;

    private final List<String> names;
    /** Null if there is only one rank. */
    private final Communicator communicator;
    /** Empty if the only rank runs on the calling thread. */
    private final List<ExecutorService> threads = new ArrayList<>();
    private final CompletableFuture<Void> failure = new CompletableFuture<>();
    private volatile Thread leader;

    /**
     * Starts one thread per rank.
     *
     * @param communicator the communicator that the ranks' contexts join; null for one rank
     * @param names        one name per rank. The name includes the rank's device; the rank's thread has this name, and
     *                     error messages contain it
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

    /** Whether the ranks have their own threads; false if the only rank runs on the calling thread. */
    public boolean threaded() {
        return !threads.isEmpty();
    }

    /**
     * Runs {@code work}(rank) on every rank and waits until all ranks have finished. The results are in rank order.
     *
     * @throws InputException if every rank throws an InputException. If only some ranks throw an InputException, the
     *         ranks' states differ, and the group fails.
     */
    public <T> List<T> run(IntFunction<T> work) {
        return onLeader(() -> all(work));
    }

    /** Runs work on the thread of rank 0, waits until the work has finished and returns the result. */
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

    /** Enqueues {@code work}(rank) for every rank except 0 and does not wait. Must be called on the leader's thread. */
    public void follow(IntConsumer work) {
        for (int i = 1; i < threads.size(); i++) {
            int rank = i;
            threads.get(rank).execute(() -> {
                try {
                    throwFailure();
                    work.accept(rank);
                } catch (RuntimeException | Error e) {
                    failed(rank, e);
                }
            });
        }
    }

    private <T> List<T> all(IntFunction<T> work) {
        if (threads.isEmpty()) {
            return Collections.singletonList(work.apply(0));
        }
        Round<T> round = new Round<>(work);
        List<CompletableFuture<T>> others = new ArrayList<>();
        for (int i = 1; i < threads.size(); i++) {
            int rank = i;
            others.add(submit(rank, () -> round.apply(rank)));
        }
        List<T> results = new ArrayList<>();
        InputException refused = null;
        try {
            results.add(round.apply(0));
        } catch (InputException e) {
            refused = e;
        } catch (RuntimeException | Error e) {
            failed(0, e);
        }
        if (refused != null) {
            throw refused;
        }
        others.forEach(other -> results.add(await(other)));
        throwFailure();
        return results;
    }

    /** One call of {@link #run}: counts the ranks that still run and those that threw an InputException. */
    private final class Round<T> {
        private final IntFunction<T> work;
        private final CountDownLatch running = new CountDownLatch(ranks());
        private final AtomicInteger refusals = new AtomicInteger();

        Round(IntFunction<T> work) {
            this.work = work;
        }

        T apply(int rank) {
            try {
                T result = work.apply(rank);
                running.countDown();
                return result;
            } catch (InputException e) {
                refusals.incrementAndGet();
                running.countDown();
                throw refusedByAll() ? e : failed(rank, e);
            } catch (RuntimeException | Error e) {
                running.countDown();
                throw e;
            }
        }

        private boolean refusedByAll() {
            try {
                return running.await(REFUSAL_SECONDS, TimeUnit.SECONDS) && refusals.get() == ranks();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
    }

    private <T> CompletableFuture<T> submit(int rank, Supplier<T> work) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return work.get();
            } catch (InputException e) {
                throw e;
            } catch (RuntimeException | Error e) {
                throw failed(rank, e);
            }
        }, threads.get(rank));
    }

    /**
     * Waits for the result of a task. If a rank has failed, waits at most {@link #GRACE_SECONDS}, because the task may
     * never end.
     */
    private <T> T await(CompletableFuture<T> task) {
        try {
            CompletableFuture.anyOf(task, failure).exceptionally(e -> null).get();
            return failure.isDone() ? task.exceptionally(e -> null).get(GRACE_SECONDS, TimeUnit.SECONDS) : task.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof InputException refused ? refused : new IllegalStateException(e.getCause());
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
     * Records that a rank failed and closes the communicator, so that the collectives of the other ranks end. Returns
     * the exception of the rank that failed first.
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

    /**
     * Adds the rank's name to the message. The message of an InputException (invalid input or undefined logits) is not
     * changed, because no single rank causes the exception.
     */
    private static RuntimeException named(String rank, Throwable cause) {
        if (cause instanceof InputException input) {
            return input;
        }
        if (cause instanceof BackendException backend && backend.getMessage().contains(rank + ": ")) {
            return backend;   // the message of a collective already names the rank
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
     * Runs {@code last}(rank) on every rank, even after a failure, and ends the threads. Waits at most {@link
     * #GRACE_SECONDS} for each rank. A rank fails if {@code last} throws on this rank or does not end within this time.
     * If a rank fails and none had failed before this call, the method throws an exception with the first failure as
     * cause. Otherwise the method returns whether {@code last} ended within this time on every rank. If the calling
     * thread is interrupted, the method returns false.
     */
    public boolean close(IntConsumer last) {
        if (threads.isEmpty()) {
            last.accept(0);
            return true;
        }
        List<Future<?>> ends = new ArrayList<>();
        for (int i = 0; i < threads.size(); i++) {
            int rank = i;
            ends.add(threads.get(rank).submit(() -> last.accept(rank)));
        }
        threads.forEach(ExecutorService::shutdown);
        RuntimeException failed = null;
        boolean ended = true;
        for (Future<?> end : ends) {
            try {
                end.get(GRACE_SECONDS, TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException e) {
                ended &= e instanceof ExecutionException;
                failed = failed == null ? new CompletionException("cannot close the ranks", e) : failed;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        if (failed != null && !hasFailed()) {
            throw failed;
        }
        return ended;
    }

    /** Waits for the work of every rank, at most {@link #GRACE_SECONDS} for each rank, and ends the threads. */
    @Override
    public void close() {
        threads.forEach(ExecutorService::shutdown);
        try {
            for (ExecutorService thread : threads) {
                thread.awaitTermination(GRACE_SECONDS, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
