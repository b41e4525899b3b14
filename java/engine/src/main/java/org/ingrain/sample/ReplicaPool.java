package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * Replicas that run on their own threads and take requests from a common queue. The replica with the fewest unfinished
 * samples takes the next request, so that no replica is idle while a request waits. If there are more idle replicas
 * than waiting requests, the idle replicas share the samples of a request. A second queue, {@code news}, passes the
 * output to the thread that calls {@link #step}.
 * <pre>
 *   caller         submit ──► waiting            step ◄── news: text, finished, "a step is done"
 *                                │ take                       ▲
 *   replica 0, 1, ...            └──► enqueue, step, step, ───┘
 * </pre>
 * Each task on a replica's thread runs one step and then submits the next task, so that other tasks can run between two
 * steps.
 */
final class ReplicaPool {
    private final List<Replica> replicas;
    private final int maxSequences;
    private final Deque<Ticket> waiting = new ArrayDeque<>();
    /** For each replica, the number of unfinished samples. */
    private final int[] taken;
    /** For each replica, whether a step is running or queued. */
    private final boolean[] working;
    private boolean stopped;
    private final LinkedBlockingQueue<Runnable> news = new LinkedBlockingQueue<>();
    private volatile RuntimeException failure;
    // Only the thread that calls step uses the following fields.
    private final GeneratorStats[] stats;
    private final GeneratorLoad[] loads;
    private boolean stepped;

    /** @param maxSequences maximum number of samples in flight per replica */
    ReplicaPool(List<Replica> replicas, int maxSequences) {
        this.replicas = replicas;
        this.maxSequences = maxSequences;
        taken = new int[replicas.size()];
        working = new boolean[replicas.size()];
        stats = new GeneratorStats[replicas.size()];
        for (int i = 0; i < stats.length; i++) {
            stats[i] = new GeneratorStats(0, 0, 0, 0, 0, 0, 0, 0);
        }
        loads = new GeneratorLoad[replicas.size()];
        Arrays.fill(loads, GeneratorLoad.NONE);
    }

    /**
     * Wraps a listener, so that replicas can call the wrapper on their own threads. {@link #step} forwards the calls to
     * the listener, on the thread that calls {@link #step}.
     */
    GenerationListener relay(GenerationListener listener) {
        return new GenerationListener() {
            @Override
            public void token(int sample, GeneratedToken token) {
                news.add(() -> listener.token(sample, token));
            }

            @Override
            public void text(int sample, String piece) {
                news.add(() -> listener.text(sample, piece));
            }

            @Override
            public void finished(Completion completion) {
                news.add(() -> listener.finished(completion));
            }

            @Override
            public void failed(int sample, RuntimeException cause) {
                news.add(() -> listener.failed(sample, cause));
            }
        };
    }

    void submit(Ticket ticket) {
        throwFailure();
        synchronized (this) {
            waiting.addLast(ticket);
            for (int i = 0; i < working.length; i++) {
                if (!working[i]) {
                    working[i] = true;
                    post(i);
                }
            }
        }
    }

    private void post(int i) {
        replicas.get(i).model().ranks().post(() -> work(i));
    }

    /**
     * Moves waiting requests to a replica, then runs one step of the replica. Must be called on the replica's thread.
     */
    private void work(int i) {
        Replica replica = replicas.get(i);
        try {
            take(i, replica);
            boolean more = replica.step();
            GeneratorStats done = replica.stats();
            GeneratorLoad load = replica.load();
            news.add(() -> {
                stats[i] = done;
                loads[i] = load;
                stepped = true;
            });
            goOn(i, more, replica.unfinished());
        } catch (RuntimeException | Error e) {
            fail(replica.model().ranks().failed(0, e));
        }
    }

    private synchronized void take(int i, Replica replica) {
        taken[i] = replica.unfinished();
        while (!stopped && mayTake(i)) {
            Ticket ticket = waiting.removeFirst();
            int samples = ticket.request.samples();
            int share = share(i, ticket);
            if (share < samples) {
                waiting.addFirst(ticket.part(share, samples - share));
                ticket = ticket.part(0, share);
            }
            taken[i] += share;
            replica.enqueue(ticket);
        }
    }

    /**
     * Whether a replica may take the next request. If there are several replicas, this replica must have fewer than
     * {@code maxSequences} unfinished samples, and no other replica may have fewer unfinished samples than this one.
     */
    private boolean mayTake(int i) {
        return !waiting.isEmpty() && (taken.length == 1
                || taken[i] < maxSequences && taken[i] == Arrays.stream(taken).min().orElse(0));
    }

    /**
     * Number of samples that a replica takes from a request. The replica takes all samples if log-probabilities of the
     * prompt are requested, or if every other idle replica can take a waiting request. Otherwise the samples are
     * divided evenly among this replica and the idle replicas that would find no waiting request.
     */
    private int share(int i, Ticket ticket) {
        int idle = 0;
        for (int j = 0; j < taken.length; j++) {
            idle += j != i && taken[j] == 0 ? 1 : 0;
        }
        int without = Math.max(0, idle - waiting.size());
        return ticket.wantsPrompt() ? ticket.request.samples() : Math.ceilDiv(ticket.request.samples(), 1 + without);
    }

    private synchronized void goOn(int i, boolean more, int unfinished) {
        taken[i] = unfinished;
        if (!stopped && (more || mayTake(i))) {
            post(i);
            return;
        }
        working[i] = false;
        news.add(() -> stepped = true);
        notifyAll();
    }

    private synchronized void fail(RuntimeException first) {
        failure = failure == null ? first : failure;
        stopped = true;
        news.add(() -> stepped = true);
        notifyAll();
    }

    /**
     * Executes queued listener calls until a replica has finished a step, then all calls that are already queued.
     * Returns false if no work is left.
     */
    boolean step() {
        stepped = false;
        try {
            while (!stepped && active()) {
                news.take().run();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while replicas were working", e);
        }
        for (Runnable next = news.poll(); next != null; next = news.poll()) {
            next.run();
        }
        throwFailure();
        return active();
    }

    private synchronized boolean active() {
        return !news.isEmpty() || failure == null && anyWorking();
    }

    private boolean anyWorking() {
        for (boolean one : working) {
            if (one) {
                return true;
            }
        }
        return false;
    }

    private void throwFailure() {
        if (failure != null) {
            throw failure;
        }
    }

    /**
     * Throws an IllegalStateException if a waiting request uses this adapter slot. {@link Replica#loadAdapter} checks
     * the requests that a replica has already taken.
     */
    synchronized void requireUnused(int slot) {
        if (waiting.stream().anyMatch(ticket -> ticket.request.adapterSlot() == slot)) {
            throw new IllegalStateException("adapter slot " + slot + " is in use");
        }
    }

    GeneratorStats stats() {
        return Arrays.stream(stats).reduce(GeneratorStats::plus).orElseThrow();
    }

    GeneratorLoad load() {
        return Arrays.stream(loads).reduce(GeneratorLoad::plus).orElseThrow();
    }

    /** Discards waiting requests, then waits until all replicas are idle. */
    synchronized void stop() {
        stopped = true;
        waiting.clear();
        try {
            while (failure == null && anyWorking()) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
