package org.ingrain.distill.model;

import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.function.Function;

/** What the distillation needs of a model: many texts, as fast as it can. The engine is one; tests have another. */
public interface Answerer {
    /**
     * Answers every request of {@code first} and every one that {@code done} returns, and comes back when none is left.
     *
     * <p>A text is a function of its request alone (messages, params, seed, sample, weights), never of what is answered
     * beside it, in which order or by how many threads. A prompt that does not fit into the context is answered by an
     * empty text with {@link Finish#PROMPT_TOO_LONG}.
     *
     * @param done called once for each completion as it ends, in any order, from any thread, also at the same time;
     *             returns what follows from it, which joins the batch at once. What it throws ends the work and comes
     *             out here.
     */
    void answer(List<TextRequest> first, Function<TextCompletion, Next> done);

    /** Calls so far that something slower computed than what was meant for them, by op, sizes and reason. */
    default SortedMap<String, Long> fallbacks() {
        return Collections.emptySortedMap();
    }

    /**
     * What follows from a completion.
     *
     * @param requests  to answer as well
     * @param cancelled requests that are not wanted any more, whether they wait or are being answered; {@code done} is
     *                  not called for them, unless they end at this very moment
     */
    record Next(List<TextRequest> requests, List<SampleKey> cancelled) {
        public static final Next NOTHING = new Next(List.of(), List.of());
    }
}
