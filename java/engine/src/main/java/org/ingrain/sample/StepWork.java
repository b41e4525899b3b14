package org.ingrain.sample;

import java.util.ArrayList;
import java.util.List;

/**
 * What one step computes, decided before any of it has run.
 *
 * @param parts     sequences of the batch, one below another
 * @param logitRows rows whose logits are wanted
 * @param draws     tokens to draw for running samples, at most as many as may run
 * @param overflow  tokens to draw for samples that found no place beside the others: they wait with their first token
 * @param scores    prompt tokens whose log-probabilities are wanted
 * @param copies    (n, 2) source and destination of cache blocks to be copied after the parts are computed
 */
record StepWork(List<Scheduler.Part> parts, List<Integer> logitRows, List<Draw> draws, List<Draw> overflow, List<Score> scores,
                List<Integer> copies) {
    /** The sample's next token, which will be at this position, from this row of the step's logits. */
    record Draw(Sequence sample, int position, int logitRow) {
    }

    /** Log-probabilities of a prompt's {@code count} tokens from position {@code from} on, in rows of the logits from firstLogit on. */
    record Score(Sequence sample, int from, int count, int firstLogit) {
    }

    StepWork(List<Scheduler.Part> parts) {
        this(parts, new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    }

    int tokens() {
        return parts.stream().mapToInt(Scheduler.Part::tokens).sum();
    }

    boolean adapters() {
        return parts.stream().anyMatch(part -> part.sample().ticket.request.adapterSlot() >= 0);
    }

    /** True where every row draws the one token that follows it, and nothing else is to be done. */
    boolean decodesOnly() {
        return draws.size() == parts.size() && logitRows.size() == parts.size() && overflow.isEmpty() && scores.isEmpty() && copies.isEmpty()
                && parts.stream().allMatch(part -> part.tokens() == 1);
    }
}
