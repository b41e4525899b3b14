package org.ingrain.server.generate;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.sample.Request;
import org.ingrain.server.api.ApiException;

/** Starts the samples of requests, limits the number of unfinished samples, and ends requests at the time limit. */
public final class Generations implements AutoCloseable {
    /** Time for sending the error after the time limit of a request. After this time, the connection is closed. */
    private static final Duration LAST_WRITE = Duration.ofSeconds(1);

    private final SharedGenerator generator;
    private final Metrics metrics;
    private final int maxSamples;
    /** Maximum time of a request; null for no limit. */
    private final Duration limit;
    private final AtomicInteger unfinished = new AtomicInteger();
    private final Set<Generation> running = ConcurrentHashMap.newKeySet();
    private final ScheduledThreadPoolExecutor timer;

    /**
     * @param maxSamples maximum number of unfinished samples
     * @param limit      maximum time of a request; null for no limit
     */
    public Generations(SharedGenerator generator, Metrics metrics, int maxSamples, Duration limit) {
        this.generator = generator;
        this.metrics = metrics;
        this.maxSamples = maxSamples;
        this.limit = limit;
        timer = new ScheduledThreadPoolExecutor(1, Thread.ofPlatform().daemon().name("request limits").factory());
        timer.setRemoveOnCancelPolicy(true);
    }

    /**
     * Starts all samples of an HTTP request, which becomes one generator request per prompt. Sample s of generator
     * request i is choice i·n + s, where n is the number of samples per generator request.
     *
     * @param abandon closes the client's connection; called if an answer cannot be written within the time limit
     * @throws org.ingrain.tensor.InputException if the generator refuses a request
     */
    public Generation start(List<Request> requests, boolean stream, Runnable abandon) {
        generator.failure().ifPresent(failure -> {
            throw ApiException.unavailable("the generator has failed: " + failure.getMessage());
        });
        int samples = requests.stream().mapToInt(Request::samples).sum();
        admit(samples);
        Generation generation = new Generation(requests, stream, metrics,
                limit == null ? Long.MAX_VALUE : limit.toNanos());
        running.add(generation);
        generation.onClose(() -> {
            running.remove(generation);
            unfinished.addAndGet(-samples);
        });
        try {
            if (limit != null) {
                var closing = timer.schedule(abandon, limit.plus(LAST_WRITE).toMillis(), TimeUnit.MILLISECONDS);
                generation.onClose(() -> closing.cancel(false));
            }
            generation.submit(generator);
            return generation;
        } catch (RuntimeException e) {
            generation.close();
            throw e;
        }
    }

    private void admit(int samples) {
        if (samples > maxSamples) {
            throw ApiException.invalid("n", "n: " + samples + " samples for all prompts together, expected at most "
                    + maxSamples);
        }
        if (unfinished.addAndGet(samples) > maxSamples) {
            unfinished.addAndGet(-samples);
            throw ApiException.overloaded("too many unfinished samples, expected at most " + maxSamples
                    + "; try again later");
        }
    }

    /** The number of HTTP requests that are started and not closed yet. */
    public int count() {
        return running.size();
    }

    /** Ends all requests with an error. */
    public void failAll(String message) {
        running.forEach(generation -> generation.fail(ApiException.unavailable(message)));
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }
}
