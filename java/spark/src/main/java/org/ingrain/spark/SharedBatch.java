package org.ingrain.spark;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.tensor.InputException;

/**
 * One answerer for the requests of several threads. A thread of its own opens the answerer, uses it and closes it. The
 * requests of a thread that arrives later join the batch when the next text is finished, so the batch stays full
 * although each thread waits for its own texts. Requests for other weights wait until the batch is empty, because they
 * may replace the adapter of the running ones.
 */
final class SharedBatch implements AutoCloseable {
    private static final long POLL_MILLIS = 100;
    private static final long CLOSE_MILLIS = 60_000;

    private final Supplier<Answerer> opener;
    private final Deque<Group> waiting = new ArrayDeque<>();
    private final Map<String, Group> running = new HashMap<>();
    private final Thread thread;
    private boolean closed;
    /** Why no request is answered any more; null while requests are answered. */
    private Throwable end;

    /** The texts of a group in the order of its requests, and the answerer's calls of fallback kernels so far. */
    record Answered(List<TextCompletion> texts, SortedMap<String, Long> fallbacks) {
    }

    /** The requests of one thread. The fields that change are guarded by the batch. */
    private static final class Group {
        private final List<TextRequest> requests;
        private final Map<SampleKey, TextCompletion> texts = new HashMap<>();
        private final CompletableFuture<Answered> answer = new CompletableFuture<>();

        Group(List<TextRequest> requests) {
            this.requests = requests;
        }

        String id() {
            return requests.getFirst().key().id();
        }

        ModelState weights() {
            return requests.getFirst().weights();
        }

        List<SampleKey> unfinished() {
            return requests.stream().map(TextRequest::key).filter(key -> !texts.containsKey(key)).toList();
        }
    }

    /** @param opener makes the answerer; closing the answerer releases all that it uses */
    SharedBatch(Supplier<Answerer> opener) {
        this.opener = opener;
        thread = Thread.ofPlatform().daemon().name("ingrain-batch").start(this::run);
    }

    /** Whether the answerer has failed or was closed, so that no request is answered any more. */
    synchronized boolean hasEnded() {
        return end != null;
    }

    /** Number of calls of {@link #answer} whose requests are not in the batch yet. */
    synchronized int waiting() {
        return waiting.size();
    }

    /**
     * Answers requests for the same weights. Their keys have one id that no other call uses at the same time.
     *
     * @param killed whether the answer is no longer wanted
     * @throws CancellationException if it is no longer wanted
     * @throws InputException        if the answerer cannot be opened, or refuses a request, by an error of the input
     */
    Answered answer(List<TextRequest> requests, BooleanSupplier killed) {
        Group group = new Group(List.copyOf(requests));
        begin(group);
        try {
            while (true) {
                try {
                    return group.answer.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    if (killed.getAsBoolean()) {
                        throw new CancellationException("the task was killed");
                    }
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("the task was interrupted");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof InputException refused) {
                throw new InputException(refused.getMessage(), refused);
            }
            throw new IllegalStateException("the engine failed: " + e.getCause(), e.getCause());
        } finally {
            group.answer.cancel(false);
        }
    }

    private synchronized void begin(Group group) {
        if (end != null) {
            group.answer.completeExceptionally(end);
            return;
        }
        waiting.addLast(group);
        notifyAll();
    }

    private void run() {
        try (Answerer answerer = opener.get()) {
            for (List<TextRequest> first = await(); !first.isEmpty(); first = await()) {
                ModelState weights = first.getFirst().weights();
                answerer.answer(first, text -> {
                    finished(text, answerer);
                    return next(weights);
                });
            }
            end(new CancellationException("the engine was closed"));
        } catch (RuntimeException | Error e) {
            end(e);   // the waiting threads throw it
        }
    }

    /** Waits for a group and returns the requests of all groups with its weights; an empty list after {@link #close}. */
    private synchronized List<TextRequest> await() {
        while (true) {
            waiting.removeIf(group -> group.answer.isDone());
            if (closed) {
                return List.of();
            }
            if (!waiting.isEmpty()) {
                return admit(waiting.getFirst().weights());
            }
            try {
                wait();
            } catch (InterruptedException e) {
                closed = true;
            }
        }
    }

    /** Moves the waiting groups with these weights to the running ones and returns their requests. */
    private List<TextRequest> admit(ModelState weights) {
        List<TextRequest> requests = new ArrayList<>();
        for (Iterator<Group> groups = waiting.iterator(); groups.hasNext();) {
            Group group = groups.next();
            if (group.answer.isDone()) {
                groups.remove();
            } else if (group.weights().equals(weights)) {
                groups.remove();
                running.put(group.id(), group);
                requests.addAll(group.requests);
            }
        }
        return requests;
    }

    private synchronized void finished(TextCompletion text, Answerer answerer) {
        Group group = running.get(text.key().id());
        if (group != null) {
            group.texts.put(text.key(), text);
            if (group.texts.size() == group.requests.size()) {
                running.remove(group.id());
                group.answer.complete(new Answered(group.requests.stream()
                        .map(request -> group.texts.get(request.key())).toList(), answerer.fallbacks()));
            }
        }
    }

    private synchronized Answerer.Next next(ModelState weights) {
        if (closed) {
            throw new CancellationException("the engine was closed");
        }
        List<SampleKey> cancelled = new ArrayList<>();
        for (Group group : List.copyOf(running.values())) {
            if (group.answer.isDone()) {
                running.remove(group.id());
                cancelled.addAll(group.unfinished());
            }
        }
        return new Answerer.Next(admit(weights), cancelled);
    }

    private synchronized void end(Throwable reason) {
        end = reason;
        running.values().forEach(group -> group.answer.completeExceptionally(reason));
        waiting.forEach(group -> group.answer.completeExceptionally(reason));
        running.clear();
        waiting.clear();
    }

    /** Stops the running requests and waits until the answerer is closed. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            thread.join(CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
