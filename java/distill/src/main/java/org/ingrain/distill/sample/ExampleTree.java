package org.ingrain.distill.sample;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.task.Example;

/**
 * The tree of completions of one example. This class makes the requests for missing completions and passes each
 * complete answer to the {@link Stopping.Count}.
 */
final class ExampleTree {
    private final Plan plan;
    private final Example example;
    private final Stopping.Count count;
    private final SampleLog log;
    private final Set<SampleKey> inFlight = new LinkedHashSet<>();
    private final BitSet answered = new BitSet();
    /** Indices of the answers that wait for a requested completion. */
    private final BitSet waiting = new BitSet();

    ExampleTree(Plan plan, Example example, Stopping.Count count, SampleLog log) {
        this.plan = plan;
        this.example = example;
        this.count = count;
        this.log = log;
    }

    boolean settled() {
        return count.settled();
    }

    /** Number of complete answers. If the example is settled, all planned answers count as complete. */
    long done() {
        return settled() ? plan.leaves() : answered.cardinality();
    }

    /** Returns the keys of open requests that are no longer needed. Each key is returned only once. */
    List<SampleKey> cancelUnneeded() {
        List<SampleKey> keys = settled() ? List.copyOf(inFlight) : List.of();
        inFlight.removeAll(keys);
        return keys;
    }

    void take(TextCompletion completion) {
        SampleKey key = completion.key();
        if (!inFlight.remove(key)) {
            throw new IllegalStateException("completion of no open request: " + key);
        }
        log.append(new SampleRecord(key.id(), key.path(), plan.steps().get(key.depth()).name(), completion.text(),
                completion.tokens(), completion.finish()));
        int first = plan.firstAnswer(key);
        waiting.clear(first, first + plan.below(Math.min(key.depth() + 1, plan.depth())));
    }

    /** Returns the next requests for all open answers. Returns an empty list if the example is settled. */
    List<TextRequest> advance() {
        List<TextRequest> requests = new ArrayList<>();
        for (int answer = next(); answer >= 0 && !settled(); answer = next()) {
            waiting.set(answer);
            extend(answer, requests);
        }
        if (settled()) {
            requests.forEach(request -> inFlight.remove(request.key()));
            return List.of();
        }
        return requests;
    }

    /** The index of an open answer that is neither complete nor waiting; -1 if there is none. */
    private int next() {
        BitSet open = count.open();
        open.andNot(answered);
        open.andNot(waiting);
        return open.nextSetBit(0);
    }

    /**
     * Follows the steps of an answer up to the first missing completion and requests it. If no completion is missing,
     * counts the answer.
     */
    private void extend(int answer, List<TextRequest> requests) {
        List<SampleRecord> steps = new ArrayList<>();
        SampleKey key = new SampleKey(example.id(), "");
        for (int index : plan.indices(answer)) {
            key = key.child(index);
            if (!isAvailable(key, steps, null, requests)) {
                return;
            }
            steps.add(log.read(key));
        }
        List<String> parts = plan.splitter() == null || isNothing(steps.getLast())
                ? List.of() : plan.splitter().parts(plan.thoughts().without(steps.getLast().text()).orElse(""));
        List<SampleRecord> partTexts = new ArrayList<>();
        boolean complete = true;
        for (int i = 0; i < parts.size(); i++) {
            complete &= isAvailable(key.child(i), steps, parts.get(i), requests);
            if (complete) {
                partTexts.add(log.read(key.child(i)));
            }
        }
        if (complete) {
            answered.set(answer);
            count.add(answer, new Answers.Chain(key.path(), List.copyOf(steps), partTexts));
        }
    }

    /**
     * Whether a completion is in the log. If it is missing, it is requested, and the result is false. If it cannot be
     * requested, an empty completion is recorded instead, and the result is true.
     */
    private boolean isAvailable(SampleKey key, List<SampleRecord> before, String part, List<TextRequest> requests) {
        if (log.contains(key)) {
            return true;
        }
        if (inFlight.contains(key)) {
            return false;
        }
        if (!before.isEmpty() && isNothing(before.getLast())) {
            return recordMissing(key, before.getLast().finish());
        }
        if (before.stream().anyMatch(step -> plan.thoughts().without(step.text()).isEmpty())) {
            return recordMissing(key, Finish.BLANK_PROMPT);
        }
        TextRequest request = plan.request(key, example, before.stream().map(SampleRecord::text).toList(), part);
        if (request.messages().getLast().content().isBlank()) {
            return recordMissing(key, Finish.BLANK_PROMPT);
        }
        inFlight.add(key);
        requests.add(request);
        return false;
    }

    /** Records an empty completion in place of a completion that cannot be requested. Returns true. */
    private boolean recordMissing(SampleKey key, Finish why) {
        log.append(new SampleRecord(key.id(), key.path(), plan.steps().get(key.depth()).name(), "", 0, why));
        return true;
    }

    private static boolean isNothing(SampleRecord sample) {
        return sample.finish() == Finish.PROMPT_TOO_LONG || sample.finish() == Finish.BLANK_PROMPT;
    }

    /** The keys of the completions of all recorded answers, in depth-first order. */
    Set<SampleKey> recorded() {
        Set<SampleKey> keys = new LinkedHashSet<>();
        BitSet recorded = count.recorded();
        for (int answer = recorded.nextSetBit(0); answer >= 0; answer = recorded.nextSetBit(answer + 1)) {
            SampleKey key = new SampleKey(example.id(), "");
            for (int index : plan.indices(answer)) {
                key = key.child(index);
                keys.add(key);
            }
            for (int part = 0; plan.splitter() != null && log.contains(key.child(part)); part++) {
                keys.add(key.child(part));
            }
        }
        return keys;
    }

    @Override
    public String toString() {
        return "example " + example.id();
    }
}
