package org.ingrain.distill.remote;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Function;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;

/**
 * An {@link Answerer} that asks a server with OpenAI's API. Each text is one request for a chat completion. Each
 * request contains its seed, but this class cannot ensure that a text depends only on its request: that is up to the
 * server. If the server refuses a request because the prompt, or the prompt plus the requested tokens, is too long, the
 * completion has {@link org.ingrain.distill.model.Finish#PROMPT_TOO_LONG}. The weights of a request are ignored,
 * because the server has one model.
 */
public final class RemoteAnswerer implements Answerer {
    private final RemoteConfig config;
    private final OpenAiServer server;

    private RemoteAnswerer(RemoteConfig config, OpenAiServer server) {
        this.config = config;
        this.server = server;
    }

    /**
     * Connects to a server.
     *
     * @param config settings; if the model is null, the server's only model is used
     * @param key    API key, or null
     * @param notice receives a line when requests wait for a long time
     * @throws org.ingrain.tensor.InputException if the server cannot be reached or refuses the key, or if no model is
     *         given and the server has several models
     */
    public static RemoteAnswerer connect(RemoteConfig config, String key, Consumer<String> notice) {
        Pace pace = new Pace(config.perMinute());
        OpenAiServer server = new OpenAiServer(config, key, pace, notice);
        if (config.model() != null) {
            server.check();
            return new RemoteAnswerer(config, server);
        }
        try (server) {
            RemoteConfig named = config.withModel(server.onlyModel());
            return new RemoteAnswerer(named, new OpenAiServer(named, key, pace, notice));
        }
    }

    /** The URL and the model name. A text may depend on more than these values and its request; no more is known. */
    public SortedMap<String, String> identity() {
        return new TreeMap<>(Map.of("model", config.model(), "url", config.url().toString()));
    }

    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        Work work = new Work(first, done);
        try (ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < config.inFlight(); i++) {
                pool.execute(work::run);
            }
        }
        work.rethrow();
    }

    @Override
    public void close() {
        server.close();
    }

    /** The state of one call of {@link #answer}. All fields are protected by the lock of this object. */
    private final class Work {
        private final Function<TextCompletion, Next> done;
        private final Deque<TextRequest> waiting;
        /** For each request that is in progress and not cancelled, the thread that waits for its reply. */
        private final Map<SampleKey, Thread> running = new HashMap<>();
        /**
         * Number of threads that wait for a reply or report a completion. While this number is above 0, follow-up
         * requests may still be added.
         */
        private int busy;
        private RuntimeException failure;
        private Error error;

        Work(List<TextRequest> first, Function<TextCompletion, Next> done) {
            this.done = done;
            waiting = new ArrayDeque<>(first);
        }

        void run() {
            try {
                for (TextRequest request = take(); request != null; request = take()) {
                    answer(request);
                }
            } catch (InterruptedException e) {
                fail(new IllegalStateException("interrupted", e), null);
            } catch (RuntimeException e) {
                fail(e, null);
            } catch (Error e) {
                fail(null, e);
            }
        }

        private void answer(TextRequest request) throws InterruptedException {
            TextCompletion completion = null;
            try {
                completion = server.complete(request);
            } catch (InterruptedException e) {
                if (!isCancelled(request)) {
                    throw e;
                }
            }
            if (ended(request)) {
                follow(done.apply(completion));
            }
            release();
        }

        /** Waits for the next request; returns null if all requests are finished or one has failed. */
        private synchronized TextRequest take() throws InterruptedException {
            while (waiting.isEmpty() && busy > 0 && !failed()) {
                wait();
            }
            if (waiting.isEmpty() || failed()) {
                notifyAll();
                return null;
            }
            busy++;
            TextRequest request = waiting.removeFirst();
            running.put(request.key(), Thread.currentThread());
            return request;
        }

        private synchronized boolean isCancelled(TextRequest request) {
            return !running.containsKey(request.key());
        }

        /**
         * Removes a request that has ended. Returns false if the request was cancelled. The cancellation may have set
         * the interrupt flag of the current thread, so this method clears the flag.
         */
        private synchronized boolean ended(TextRequest request) {
            boolean wanted = running.remove(request.key()) != null;
            if (!wanted) {
                Thread.interrupted();
            }
            return wanted;
        }

        /**
         * Adds the follow-up requests before the waiting ones, so that started examples finish before other examples
         * start. Cancels the requests that are no longer needed.
         */
        private synchronized void follow(Next next) {
            next.requests().reversed().forEach(waiting::addFirst);
            for (SampleKey key : next.cancelled()) {
                waiting.removeIf(request -> request.key().equals(key));
                Thread thread = running.remove(key);
                if (thread != null) {
                    thread.interrupt();
                }
            }
        }

        private synchronized void release() {
            busy--;
            notifyAll();
        }

        private synchronized void fail(RuntimeException exception, Error fault) {
            if (!failed()) {
                failure = exception;
                error = fault;
                running.values().forEach(Thread::interrupt);
            }
            notifyAll();
        }

        private boolean failed() {
            return failure != null || error != null;
        }

        synchronized void rethrow() {
            if (error != null) {
                throw error;
            }
            if (failure != null) {
                throw failure;
            }
        }
    }
}
