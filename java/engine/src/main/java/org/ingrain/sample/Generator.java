package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.function.Supplier;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.step.StepBuffers;
import org.ingrain.sample.step.StepResults;
import org.ingrain.sample.step.StepRunner;
import org.ingrain.sample.step.StepStats;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * Draws samples from a model, many at once: one ragged batch a step, in which prompts are computed beside samples that
 * grow. A prompt is computed once for all of its samples; its first tokens are drawn from one row of logits. What a
 * request yields depends on nothing but the request: not on its neighbours, nor on how its prompt was split, shared or
 * evicted. Where the backend computes while the host goes on, a step is enqueued before the tokens of the step before
 * have been read: a sample that ends is then seen a step late, and the token that was drawn for it meanwhile is thrown
 * away. Used by one thread at a time.
 */
public final class Generator implements AutoCloseable {
    private final GeneratorConfig config;
    private final Blueprint model;
    private final AdapterBank adapters;
    private final Supplier<StreamingDecoder> decoders;
    private final Set<Integer> eosIds;
    private final BlockPool pool;
    private final Scheduler scheduler;
    private final Allocator.Scope memory;
    private final StepRunner runner;
    private final Deque<PlannedStep> inFlight = new ArrayDeque<>();
    private final int lag;
    private long tokens;
    private long surplus;

    /**
     * @param weights  of the model, on the device that computes
     * @param adapters bank of the adapters that requests may name, or null
     * @param decoders makes a detokenizer for a sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(Weights weights, AdapterBank adapters, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
                     List<Integer> eosIds) {
        this(weights, adapters, config, decoders, eosIds, weights.context().device().asynchronous() ? 1 : 0);
    }

    /** lag: how many steps the host reads behind the last one enqueued. */
    Generator(Weights weights, AdapterBank adapters, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
              List<Integer> eosIds, int lag) {
        model = weights.config();
        requireContext(model, config);
        this.config = config;
        this.adapters = adapters;
        this.decoders = decoders;
        this.eosIds = Set.copyOf(eosIds);
        this.lag = lag;
        memory = new Allocator.Scope(weights.context());
        Parts parts = Parts.allocate(memory, weights, config, lag);
        runner = new StepRunner(parts.decoder, parts.cache, adapters, parts.buffers);
        pool = new BlockPool(config.blocks(), config.blockSize(), config.prefixCache());
        scheduler = new Scheduler(config, pool);
    }

    /** What a generator allocates beside the weights. */
    private record Parts(Decoder decoder, KvCache cache, StepBuffers buffers) {
        static Parts allocate(Allocator memory, Weights weights, GeneratorConfig config, int lag) {
            int blocks = config.blocks() + StepRunner.fillerBlocks(memory.context());
            return new Parts(new Decoder(memory, weights, config.limits()),
                    new KvCache(memory, weights, blocks, config.blockSize()),
                    new StepBuffers(memory, config.limits(), weights.config().vocabSize(), lag + 1));
        }
    }

    /** Bytes that a generator allocates beside the weights: cache and workspace. */
    public static long bytes(Context context, Blueprint model, Precision precision, GeneratorConfig config) {
        requireContext(model, config);
        Weights planned = new Weights(new Allocator.Counter(context), model, precision, Rank.SINGLE);
        return Allocator.bytes(context, memory -> Parts.allocate(memory, planned, config, 0));
    }

    private static void requireContext(Blueprint model, GeneratorConfig config) {
        if (config.contextLength() > model.maxContextLength()) {
            throw InputException.field("contextLength", config.contextLength() + ", expected at most "
                    + model.contextLimit());
        }
    }

    /**
     * Calls on its device so far that something slower computed than what was meant for them, by op, sizes and reason.
     */
    public SortedMap<String, Long> fallbacks() {
        return memory.context().fallbacks();
    }

    /** Queues a request; an InputException where its prompt does not fit in the context or its adapter is not there. */
    public Ticket submit(Request request, GenerationListener listener) {
        if (request.prompt().length >= config.contextLength()) {
            throw InputException.field("prompt", request.prompt().length
                    + " tokens, expected fewer than the context length "
                    + config.contextLength());
        }
        for (int id : request.prompt()) {
            if (id < 0 || id >= model.vocabSize()) {
                throw InputException.field("prompt", "token id " + id + ", expected 0 to " + (model.vocabSize() - 1));
            }
        }
        if (request.adapterSlot() >= 0 && (adapters == null || request.adapterSlot() >= adapters.slots())) {
            throw new InputException("adapter slot " + request.adapterSlot() + ": none is loaded there");
        }
        Ticket ticket = new Ticket(request, listener, decoders);
        scheduler.enqueue(ticket);
        return ticket;
    }

    /**
     * Replaces the adapter in a slot; what was cached under the old one is forgotten. Nothing of that slot may be in
     * flight.
     */
    public void loadAdapter(int slot, List<LoraModule> adapter) {
        if (scheduler.inFlight().stream().anyMatch(sequence -> sequence.ticket.request.adapterSlot() == slot)) {
            throw new IllegalStateException("adapter slot " + slot + " is in use");
        }
        pool.forgetAdapter(slot);
        adapters.load(slot, adapter);
        runner.adaptersChanged();
    }

    /** Runs every request to its end; completions in the order of requests, then of samples. */
    public List<List<Completion>> generate(List<Request> requests) {
        List<List<Completion>> results = new ArrayList<>();
        for (Request request : requests) {
            Completion[] completions = new Completion[request.samples()];
            results.add(Arrays.asList(completions));
            submit(request, completion -> completions[completion.sample() - request.firstSample()] = completion);
        }
        while (step()) {
            continue;
        }
        return results;
    }

    /**
     * Enqueues one step and reads what is due; false where nothing is left to do, and then nothing is left on the
     * device either. What the model yields must be numbers, else an ArithmeticException.
     */
    public boolean step() {
        finishCancelled();
        List<PlannedStep> steps = scheduler.plan();
        for (PlannedStep step : steps) {
            runner.enqueue(step.plan());
            inFlight.addLast(step);
            read(lag);
        }
        if (steps.isEmpty() && !inFlight.isEmpty()) {
            read(inFlight.size() - 1);
        } else if (steps.isEmpty() && !scheduler.idle()) {
            throw new IllegalStateException("nothing can be scheduled with " + pool.available() + " of " + pool.blocks()
                    + " blocks free");
        }
        if (!scheduler.idle()) {
            return true;
        }
        read(0);
        runner.idle();
        return false;
    }

    /** Reads the oldest steps until at most {@code left} are in flight. */
    private void read(int left) {
        while (inFlight.size() > left) {
            PlannedStep step = inFlight.removeFirst();
            StepResults results = runner.await();
            int at = 0;
            for (PlannedStep.Scored scored : step.scored()) {
                for (int i = 0; i < scored.count(); i++) {
                    scored.ticket().promptLogProbabilities[scored.from() + i] = results.score(at++);
                }
            }
            for (int i = 0; i < step.drawn().size(); i++) {
                Sequence sequence = step.drawn().get(i);
                if (sequence.finished()) {
                    surplus++;
                } else {
                    accept(sequence, results.id(i), results.logProbability(i));
                }
            }
        }
    }

    private void accept(Sequence sequence, int id, float logProbability) {
        if (id < 0) {
            throw new ArithmeticException("the model's logits are not numbers at position "
                    + (sequence.length() - sequence.unread()));
        }
        tokens++;
        SamplingParams params = sequence.ticket.request.params();
        sequence.append(id, logProbability);
        if ((eosIds.contains(id) && !params.ignoreEos()) || params.stopTokens().contains(id)) {
            finish(sequence, FinishReason.STOP);
            return;
        }
        emit(sequence, sequence.text.append(sequence.decoder.append(id)));
        if (sequence.text.stopped()) {
            finish(sequence, FinishReason.STOP);
        } else if (sequence.unread() == 0 && sequence.full(config.contextLength())) {
            finish(sequence, FinishReason.LENGTH);
        }
    }

    private void emit(Sequence sequence, String piece) {
        if (!piece.isEmpty()) {
            sequence.ticket.listener.text(sequence.number, piece);
        }
    }

    private void finish(Sequence sequence, FinishReason reason) {
        if (!sequence.text.stopped()) {
            emit(sequence, sequence.text.append(sequence.decoder.flush()));
        }
        emit(sequence, sequence.text.flush());
        sequence.finish();
        scheduler.remove(sequence);
        sequence.ticket.listener.finished(new Completion(sequence.number, sequence.generatedIds(),
                sequence.generatedLogProbabilities(), sequence.text.text(), reason,
                sequence.ticket.promptLogProbabilities));
    }

    private void finishCancelled() {
        for (Sequence sequence : scheduler.inFlight()) {
            Ticket ticket = sequence.ticket;
            if (!ticket.forking() && ticket.cancelled(sequence.number)) {
                finish(sequence, FinishReason.CANCELLED);
            } else if (ticket.forking() && ticket.allCancelled()) {
                cancelBeforeFork(sequence);
            }
        }
    }

    /** All samples of a request whose prompt is not computed yet. */
    private void cancelBeforeFork(Sequence trunk) {
        trunk.finish();
        scheduler.remove(trunk);
        for (int i = 0; i < trunk.ticket.request.samples(); i++) {
            trunk.ticket.listener.finished(new Completion(trunk.number + i, new int[0], new float[0], "",
                    FinishReason.CANCELLED, trunk.ticket.promptLogProbabilities));
        }
    }

    /** What was done so far. */
    public GeneratorStats stats() {
        StepStats done = runner.stats();
        return new GeneratorStats(done.steps(), tokens, surplus, done.stepMillis(), done.hostWaitMillis(),
                done.graphReplays(), done.graphCaptures(), done.eagerSteps());
    }

    public GeneratorConfig config() {
        return config;
    }

    /** Adapters that can be loaded at a time. */
    public int adapterSlots() {
        return adapters == null ? 0 : adapters.slots();
    }

    /** Waits for the device, then frees what the generator allocated; requests that were not finished are not. */
    @Override
    public void close() {
        runner.close();
        memory.close();
    }
}
