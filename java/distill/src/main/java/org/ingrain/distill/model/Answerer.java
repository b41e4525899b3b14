package org.ingrain.distill.model;

import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.function.Function;

/** A model that generates many texts. The engine implements it; tests have another implementation. */
public interface Answerer {
    /**
     * Answers the requests of {@code first} and all requests that {@code done} returns. Returns when none is left.
     *
     * <p>A text depends only on its request (messages, params, seed, sample, weights), never on other requests, their
     * order or the number of threads. A prompt that does not fit into the context gets an empty text with
     * {@link Finish#PROMPT_TOO_LONG}.
     *
     * @param done called once per finished completion, in any order, from any thread, also concurrently. It returns
     *             follow-up requests, which join the batch at once. If it throws, the call ends with that exception
     */
    void answer(List<TextRequest> first, Function<TextCompletion, Next> done);

    /** Number of op calls so far that fell back to a slower kernel, by op, sizes and reason. */
    default SortedMap<String, Long> fallbacks() {
        return Collections.emptySortedMap();
    }

    /**
     * The consequences of a completion.
     *
     * @param requests  follow-up requests
     * @param cancelled requests to cancel, whether they are waiting or running; {@code done} is not called for them,
     *                  unless they finish at the same moment
     */
    record Next(List<TextRequest> requests, List<SampleKey> cancelled) {
        public static final Next NOTHING = new Next(List.of(), List.of());
    }
}
