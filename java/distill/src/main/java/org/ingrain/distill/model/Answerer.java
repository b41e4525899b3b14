package org.ingrain.distill.model;

import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.function.Function;

/** A model that generates many texts. One implementation uses the engine; tests use other implementations. */
public interface Answerer extends AutoCloseable {
    /**
     * Prepares this answerer, for example loads the weights. If this method is not called, {@link #answer} prepares the
     * answerer.
     */
    default void open() {
    }

    /**
     * Answers the requests of {@code first} and all requests that {@code done} returns. This method returns when every
     * request is finished or cancelled.
     *
     * <p>A text depends only on its request (messages, params, seed, sample, weights), never on other requests, the
     * order of the requests or the number of threads. If a prompt is too long for the context, the text is empty and
     * its finish is {@link Finish#PROMPT_TOO_LONG}.
     *
     * @param done called once for each finished completion, in any order and on any thread, possibly concurrently.
     *             {@code done} returns follow-up requests, which are answered in the same call, and keys of requests to
     *             cancel. If {@code done} throws an exception, this method throws the same exception
     */
    void answer(List<TextRequest> first, Function<TextCompletion, Next> done);

    /**
     * Number of op calls so far that used a slower fallback kernel. Each key describes an op, its sizes and the reason
     * for the fallback.
     */
    default SortedMap<String, Long> fallbacks() {
        return Collections.emptySortedMap();
    }

    /** A line with the sizes of each generator of this process that was used so far. Equal lines occur once. */
    default SortedSet<String> generators() {
        return Collections.emptySortedSet();
    }

    /** Releases the resources that this answerer has opened. An engine that it got from its creator stays open. */
    @Override
    default void close() {
    }

    /**
     * The requests to add and to cancel after a completion.
     *
     * @param requests  follow-up requests
     * @param cancelled keys of the waiting or running requests to cancel; {@code done} is not called for a cancelled
     *                  request, unless its completion was finished before
     */
    record Next(List<TextRequest> requests, List<SampleKey> cancelled) {
        public static final Next NOTHING = new Next(List.of(), List.of());
    }
}
