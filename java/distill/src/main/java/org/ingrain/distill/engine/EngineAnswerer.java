package org.ingrain.distill.engine;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Function;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.engine.AdapterSlots;
import org.ingrain.engine.Engine;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.Ticket;

/**
 * An {@link Answerer} that uses the engine. If consecutive requests differ only in the sample number, their common
 * prompt is computed once. The generator's queue is refilled after each step, so that the generator's batch stays full.
 * This class is not thread-safe. After a call has failed, the object must not be used again.
 */
public final class EngineAnswerer implements Answerer {
    /**
     * Length of the generator's queue, as a multiple of the number of sequences that the generator computes at once.
     * A length above 1 keeps some samples waiting, so that a finished sample is replaced immediately.
     */
    private static final int QUEUE = 2;

    private final Engine engine;
    private final Generator generator;
    private final AdapterSlots adapters;

    /**
     * @param generator a generator of {@code engine} that no other object uses. Its number of adapter slots limits the
     *                  number of adapters that are in use at the same time
     */
    public EngineAnswerer(Engine engine, Generator generator) {
        this.engine = engine;
        this.generator = generator;
        adapters = new AdapterSlots(generator, engine);
    }

    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        Work work = new Work(done);
        TextRequest.groups(first).forEach(work.waiting::addLast);
        while (work.feed()) {
            generator.step();
        }
    }

    @Override
    public SortedMap<String, Long> fallbacks() {
        return generator.fallbacks();
    }

    @Override
    public SortedSet<String> generators() {
        GeneratorConfig sizes = generator.config();
        return new TreeSet<>(Set.of(sizes.maxSequences() + " samples at once, context of " + sizes.contextLength()
                + " tokens, at most " + sizes.maxBatchTokens() + " tokens per step, cache of " + sizes.cacheTokens()
                + " tokens"));
    }

    /**
     * Returns the adapter slot that contains the weights; -1 for the base model. If no slot contains the weights, loads
     * the weights first.
     */
    private int slot(ModelState weights) {
        return switch (weights) {
            case ModelState.Base() -> -1;
            case ModelState.Adapter(Path folder) -> adapters.load(folder);
            case ModelState.Model(Path folder) -> throw new IllegalStateException("not the model of this engine: "
                    + folder);
            case ModelState.Teacher() -> throw new IllegalStateException("the engine has no teacher");
        };
    }

    /** The state of one call of {@link #answer}. */
    private final class Work {
        private final Function<TextCompletion, Next> done;
        private final Deque<List<TextRequest>> waiting = new ArrayDeque<>();
        private final Map<SampleKey, Running> running = new HashMap<>();
        /** Keys of cancelled requests that are still in {@link #waiting}. */
        private final Set<SampleKey> cancelled = new HashSet<>();
        private int submitted;

        /** A request that was submitted to the generator. */
        private record Running(Ticket ticket, int sample) {
        }

        Work(Function<TextCompletion, Next> done) {
            this.done = done;
        }

        /** Fills the generator's queue. Returns false if all requests are finished. */
        boolean feed() {
            while (!waiting.isEmpty() && submitted < QUEUE * generator.maxSequences()) {
                List<TextRequest> wanted = waiting.removeFirst().stream()
                        .filter(request -> !cancelled.remove(request.key())).toList();
                TextRequest.groups(wanted).forEach(this::submit);
            }
            return submitted > 0;
        }

        private void submit(List<TextRequest> group) {
            TextRequest first = group.getFirst();
            int[] prompt = engine.encode(first.messages());
            if (prompt.length >= generator.config().contextLength()) {
                group.forEach(request -> finished(new TextCompletion(request.key(), "", 0, Finish.PROMPT_TOO_LONG)));
                return;
            }
            submitted += group.size();
            Ticket ticket = generator.submit(new Request(prompt, group.size(), first.sample(), first.params(),
                    slot(first.weights()), false), completion ->
                    ended(group.get(completion.sample() - first.sample()), completion));
            group.forEach(request -> running.put(request.key(), new Running(ticket, request.sample())));
        }

        private void ended(TextRequest request, Completion completion) {
            submitted--;
            running.remove(request.key());
            if (completion.reason() != FinishReason.CANCELLED) {
                Finish finish = completion.reason() == FinishReason.STOP ? Finish.STOP : Finish.LENGTH;
                finished(new TextCompletion(request.key(), completion.text(), completion.ids().length, finish));
            }
        }

        /**
         * Reports a completion. Follow-up requests are put before the waiting requests, so that started examples finish
         * before other examples start.
         */
        private void finished(TextCompletion completion) {
            Next next = done.apply(completion);
            TextRequest.groups(next.requests()).reversed().forEach(waiting::addFirst);
            for (SampleKey key : next.cancelled()) {
                Running inGenerator = running.get(key);
                if (inGenerator == null) {
                    cancelled.add(key);
                } else {
                    inGenerator.ticket().cancel(inGenerator.sample());
                }
            }
        }
    }
}
