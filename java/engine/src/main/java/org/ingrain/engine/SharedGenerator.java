package org.ingrain.engine;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.GeneratorLoad;
import org.ingrain.sample.GeneratorStats;
import org.ingrain.sample.Request;
import org.ingrain.sample.Ticket;
import org.ingrain.tensor.InputException;

/**
 * A generator that any number of threads can use at the same time. It computes the requests of all threads in one
 * batch, on a thread of its own. This thread also calls the listeners, which must not block or throw an exception.
 * <pre>
 *   any thread     submit, loadAdapter ──► work (a queue)
 *   own thread                             └─► take all work, step, take all work, step, ... ──► listeners
 * </pre>
 */
public final class SharedGenerator implements AutoCloseable {
    private final Engine engine;
    private final Generator generator;
    private final Thread thread;
    private final LinkedBlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private final Set<Job> unfinished = ConcurrentHashMap.newKeySet();
    private final AtomicInteger samples = new AtomicInteger();
    private volatile boolean closed;
    private volatile RuntimeException failure;
    private volatile GeneratorStats stats;
    private volatile GeneratorLoad load;
    // Only the generator's thread uses the following fields.
    private final boolean[] loaded;
    /** For each slot, the number of unfinished requests that use the slot. */
    private final int[] users;

    /**
     * Creates a generator and starts its thread.
     *
     * @param adapters limits of the adapters that {@link #loadAdapter} can load
     * @throws InputException if there is not enough memory
     */
    public SharedGenerator(Engine engine, GeneratorConfig config, AdapterBank.Limits adapters) {
        this.engine = engine;
        generator = engine.generator(config, adapters);
        loaded = new boolean[adapters.slots()];
        users = new int[adapters.slots()];
        stats = generator.stats();
        load = generator.load();
        thread = Thread.ofPlatform().daemon().name("generator").start(this::run);
    }

    /** A submitted request. */
    public final class Job {
        private final Request request;
        private final GenerationListener listener;
        /** Null until the request is passed to the generator. */
        private Ticket ticket;
        private boolean cancelled;
        /** Whether each sample is finished. Only the generator's thread uses {@code finished} and {@code left}. */
        private final boolean[] finished;
        private int left;

        private Job(Request request, GenerationListener listener) {
            this.request = request;
            this.listener = listener;
            finished = new boolean[request.samples()];
            left = finished.length;
        }

        /**
         * Cancels all samples. The cancellation takes effect at the next step. The completions contain the tokens that
         * were generated until then.
         */
        public synchronized void cancel() {
            cancelled = true;
            if (ticket != null) {
                ticket.cancelAll();
            }
        }

        private synchronized void start() {
            int slot = request.adapterSlot();
            if (slot >= 0) {
                users[slot]++;
            }
            try {
                if (slot >= 0 && !loaded[slot]) {
                    throw new InputException("adapter slot " + slot + ": no adapter is loaded there");
                }
                ticket = generator.submit(request, relay());
            } catch (InputException refused) {
                fail(refused);
                return;
            }
            if (cancelled) {
                ticket.cancelAll();
            }
        }

        private GenerationListener relay() {
            return new GenerationListener() {
                @Override
                public void token(int sample, GeneratedToken token) {
                    listener.token(sample, token);
                }

                @Override
                public void text(int sample, String piece) {
                    listener.text(sample, piece);
                }

                @Override
                public void finished(Completion completion) {
                    ended(completion.sample());
                    listener.finished(completion);
                }

                @Override
                public void failed(int sample, RuntimeException cause) {
                    ended(sample);
                    listener.failed(sample, cause);
                }
            };
        }

        private void ended(int sample) {
            finished[sample - request.firstSample()] = true;
            samples.decrementAndGet();
            if (--left == 0) {
                unfinished.remove(this);
                if (request.adapterSlot() >= 0) {
                    users[request.adapterSlot()]--;
                }
            }
        }

        private void fail(RuntimeException cause) {
            for (int i = 0; i < finished.length; i++) {
                if (!finished[i]) {
                    int sample = request.firstSample() + i;
                    ended(sample);
                    listener.failed(sample, cause);
                }
            }
        }
    }

    /**
     * Queues a request.
     *
     * @throws InputException        if {@link Generator#check} refuses the request
     * @throws IllegalStateException if the generator is closed
     * @throws RuntimeException      if the generator has failed; see {@link #failure}
     */
    public Job submit(Request request, GenerationListener listener) {
        generator.check(request);
        Job job = new Job(request, listener);
        unfinished.add(job);
        samples.addAndGet(request.samples());
        work.add(() -> {
            if (!closed && unfinished.contains(job)) {
                job.start();
            }
        });
        try {
            requireRunning();
        } catch (RuntimeException stopped) {
            if (unfinished.remove(job)) {
                samples.addAndGet(-request.samples());
                throw stopped;
            }
        }
        return job;
    }

    private void requireRunning() {
        if (failure != null) {
            throw failure;
        }
        if (closed) {
            throw new IllegalStateException("the generator is closed");
        }
    }

    /**
     * Reads an adapter and loads it into a free slot. Returns the slot, to be passed to {@link Request}.
     *
     * @throws InputException if the folder does not contain an adapter for this model, if the adapter is not within the
     *                        limits, or if no slot is free
     */
    public int loadAdapter(Path folder) {
        Adapter adapter = engine.adapter(folder);
        return call(() -> {
            for (int slot = 0; slot < loaded.length; slot++) {
                if (!loaded[slot] && users[slot] == 0) {
                    generator.loadAdapter(slot, adapter);
                    loaded[slot] = true;
                    return slot;
                }
            }
            throw new InputException(folder + ": all " + loaded.length + " adapter slots are in use, expected a free "
                    + "one");
        });
    }

    /**
     * Unloads the adapter of a slot. Later requests for the slot fail. The slot is free for another adapter as soon as
     * the requests that use it are finished.
     */
    public void unloadAdapter(int slot) {
        call(() -> loaded[slot] = false);
    }

    /** Runs a task on the generator's thread. Returns the result of the task, or throws the task's exception. */
    private <T> T call(Supplier<T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        work.add(() -> {
            try {
                requireRunning();
                result.complete(task.get());
            } catch (RuntimeException e) {
                result.completeExceptionally(e);
            }
        });
        requireRunning();   // no thread takes work that is added after the generator has ended
        try {
            return result.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private void run() {
        try {
            boolean busy = false;
            while (!closed) {
                for (Runnable next = busy ? work.poll() : work.take(); next != null; next = work.poll()) {
                    next.run();
                }
                busy = step();
            }
            unfinished.forEach(Job::cancel);
            while (step()) {
                continue;
            }
        } catch (InterruptedException e) {
            failure = new IllegalStateException("the generator's thread was interrupted", e);
        } catch (RuntimeException e) {
            failure = e;
        } catch (Error e) {
            failure = new IllegalStateException("the generator failed: " + e, e);
            throw e;
        } finally {
            closed = true;
            RuntimeException cause = failure != null ? failure : new IllegalStateException("the generator is closed");
            for (Runnable next = work.poll(); next != null; next = work.poll()) {
                next.run();
            }
            for (Job job : unfinished) {
                if (unfinished.remove(job)) {
                    job.fail(cause);
                }
            }
        }
    }

    private boolean step() {
        boolean busy = generator.step();
        stats = generator.stats();
        load = generator.load();
        return busy;
    }

    /** Number of op calls so far that used a slower fallback kernel; see {@link Generator#fallbacks}. */
    public SortedMap<String, Long> fallbacks() {
        return call(generator::fallbacks);
    }

    /** The configuration of each replica. */
    public GeneratorConfig config() {
        return generator.config();
    }

    /** Maximum number of samples in flight, summed over all replicas. */
    public int maxSequences() {
        return generator.maxSequences();
    }

    /** Number of samples that are submitted and not finished. */
    public int unfinishedSamples() {
        return samples.get();
    }

    /** Statistics after the last step. */
    public GeneratorStats stats() {
        return stats;
    }

    /** The load after the last step. */
    public GeneratorLoad load() {
        return load;
    }

    /** The exception that ended the generator; empty while the generator works. */
    public Optional<RuntimeException> failure() {
        return Optional.ofNullable(failure);
    }

    /** Cancels all unfinished requests, waits for the generator's thread, and frees the generator's memory. */
    @Override
    public void close() {
        closed = true;
        work.add(() -> { });
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        generator.close();
    }
}
