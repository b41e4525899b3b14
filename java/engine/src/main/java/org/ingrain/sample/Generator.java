package org.ingrain.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
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
import org.ingrain.model.Step;
import org.ingrain.model.Weights;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * Draws samples from a Llama, many at once: one ragged batch a step, in which prompts are computed beside samples that grow. A prompt is
 * computed once for all of its samples; its first tokens are drawn from one row of logits. What a request yields depends on nothing but
 * the request: not on its neighbours, nor on how its prompt was split, shared or evicted. Where the backend computes while the host goes
 * on, a step is enqueued before the tokens of the step before have been read: a sample that ends is then seen a step late, and the token
 * that was drawn for it meanwhile is thrown away. Used by one thread at a time.
 */
public final class Generator {
    private static final int PROMPT_LOGIT_ROWS = 64;

    private final GeneratorConfig config;
    private final Decoder llama;
    private final AdapterBank adapters;
    private final Supplier<StreamingDecoder> decoders;
    private final Set<Integer> eosIds;
    private final BlockPool pool;
    private final Scheduler scheduler;
    private final StepRunner runner;
    private final int lag;
    private long tokens;
    private long surplus;

    /**
     * @param weights  of the model; on the context that computes
     * @param adapters bank of the adapters that requests may name, or null
     * @param decoders makes a detokenizer for a sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(Context context, Weights weights, AdapterBank adapters, GeneratorConfig config,
                     Supplier<StreamingDecoder> decoders, List<Integer> eosIds) {
        this(new Decoder(context, weights, limits(config)), adapters, config, decoders, eosIds, context.graphs() ? 1 : 0);
    }

    /** lag: how many steps the host reads behind the last one enqueued. */
    Generator(Decoder llama, AdapterBank adapters, GeneratorConfig config, Supplier<StreamingDecoder> decoders, List<Integer> eosIds, int lag) {
        if (config.contextLength() > llama.config().maxPositionEmbeddings()) {
            throw new InputException("contextLength: " + config.contextLength() + ", expected at most max_position_embeddings "
                    + llama.config().maxPositionEmbeddings());
        }
        this.config = config;
        this.adapters = adapters;
        this.decoders = decoders;
        this.eosIds = new HashSet<>(eosIds);
        this.lag = lag;
        this.llama = llama;
        int fillers = StepRunner.fillerBlocks(llama.context());
        KvCache cache = new KvCache(llama.context(), llama.weights(), config.blocks() + fillers, config.blockSize());
        runner = new StepRunner(llama, cache, adapters, limits(config), lag + 1);
        pool = new BlockPool(config.blocks(), config.prefixCache());
        scheduler = new Scheduler(config, pool);
    }

    /** The largest step of a generator. */
    static Step.Limits limits(GeneratorConfig config) {
        return new Step.Limits(config.maxBatchTokens(), config.maxSequences(), config.maxSequences() + PROMPT_LOGIT_ROWS, config.maxBlocks(),
                config.blockSize());
    }

    /** Bytes that a generator allocates beside the weights: cache and workspace. */
    public static long bytes(Context context, Blueprint model, Precision precision, GeneratorConfig config) {
        Weights weights = new Weights(new Allocator.Counter(context), model, precision, Rank.SINGLE);
        return StepRunner.bytes(limits(config), model.vocabSize()) + Allocator.bytes(context, memory -> {
            new KvCache(memory, weights, config.blocks() + StepRunner.fillerBlocks(context), config.blockSize());
            new Decoder(memory, weights, limits(config));
        });
    }

    /** Calls on its device so far that something slower computed than what was meant for them, by op, sizes and reason. */
    public SortedMap<String, Long> fallbacks() {
        return llama.context().fallbacks();
    }

    /** Queues a request; an InputException where its prompt does not fit in the context or its adapter is not there. */
    public Ticket submit(Request request, GenerationListener listener) {
        if (request.prompt().length >= config.contextLength()) {
            throw new InputException("prompt: " + request.prompt().length + " tokens, expected fewer than the context length "
                    + config.contextLength());
        }
        for (int id : request.prompt()) {
            if (id < 0 || id >= llama.config().vocabSize()) {
                throw new InputException("prompt: token id " + id + ", expected 0 to " + (llama.config().vocabSize() - 1));
            }
        }
        if (request.adapterSlot() >= 0 && (adapters == null || request.adapterSlot() >= adapters.slots())) {
            throw new InputException("adapter slot " + request.adapterSlot() + ": none is loaded there");
        }
        Ticket ticket = new Ticket(request, listener);
        scheduler.enqueue(new Sequence(ticket, request.firstSample(), decoders.get()));
        return ticket;
    }

    /** Replaces the adapter in a slot; what was cached under the old one is forgotten. Nothing of that slot may be in flight. */
    public void loadAdapter(int slot, List<LoraModule> adapter) {
        if (scheduler.inFlight().stream().anyMatch(sample -> sample.ticket.request.adapterSlot() == slot)) {
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
     * Enqueues one step and reads what is due; false where nothing is left to do, and then nothing is left on the device either. What the
     * model yields must be numbers, else an ArithmeticException.
     */
    public boolean step() {
        finishCancelled();
        List<Scheduler.Part> parts = scheduler.plan(PROMPT_LOGIT_ROWS);
        if (!parts.isEmpty()) {
            enqueue(prepare(parts));
        } else if (runner.inFlight() > 0) {
            settle(runner.inFlight() - 1);
        } else if (!scheduler.idle()) {
            throw new IllegalStateException("nothing can be scheduled with " + pool.available() + " of " + pool.blocks() + " blocks free");
        }
        if (!scheduler.idle()) {
            return true;
        }
        settle(0);
        runner.rest();
        return false;
    }

    private void enqueue(StepWork work) {
        runner.enqueue(work);
        settle(lag);
        for (int i = 0; i < work.overflow().size(); i += config.maxSequences()) {
            runner.enqueueOverflow(work.overflow().subList(i, Math.min(i + config.maxSequences(), work.overflow().size())));
            settle(lag);
        }
    }

    /** Decides what a step computes and draws, and counts it as done: what follows is enqueued behind it. */
    private StepWork prepare(List<Scheduler.Part> parts) {
        StepWork work = new StepWork(parts);
        int row = 0;
        for (Scheduler.Part part : parts) {
            Sequence sample = part.sample();
            boolean last = part.tokens() == sample.pending();
            boolean scored = sample.ticket.wantsPrompt();
            if (scored) {
                int from = part.from() + 1;
                int count = Math.min(part.tokens(), sample.length() - from);
                work.scores().add(new StepWork.Score(sample, from, count, work.logitRows().size()));
            }
            for (int t = scored ? 0 : part.tokens() - 1; t < part.tokens() && (scored || last); t++) {
                work.logitRows().add(row + t);
            }
            row += part.tokens();
            sample.advance(part.tokens());
            sample.publish(pool, config.blockSize());
            if (last) {
                draw(sample, work.logitRows().size() - 1, work);
            }
        }
        return work;
    }

    private void draw(Sequence sample, int logitRow, StepWork work) {
        boolean first = sample.ticket.forking();
        want(sample, logitRow, work.draws());
        if (first) {
            fork(sample, logitRow, work);
        }
    }

    private static void want(Sequence sample, int logitRow, List<StepWork.Draw> draws) {
        draws.add(new StepWork.Draw(sample, sample.length(), logitRow));
        sample.draw(draws.size() - 1);
    }

    /** Makes the other samples of a request whose prompt is computed; each draws its first token from the same row. */
    private void fork(Sequence trunk, int logitRow, StepWork work) {
        Ticket ticket = trunk.ticket;
        ticket.forked();
        boolean partly = trunk.computed() % config.blockSize() != 0;
        for (int i = 1; i < ticket.request.samples(); i++) {
            Sequence sample = new Sequence(ticket, trunk.number + i, decoders.get());
            sample.fork(trunk, pool, config.blockSize());
            boolean placed = scheduler.place(sample, partly);
            if (placed && partly) {
                work.copies().add(trunk.blocks.getLast());
                work.copies().add(sample.blocks.getLast());
            }
            want(sample, logitRow, placed ? work.draws() : work.overflow());
        }
    }

    /** Reads the oldest steps until so many are in flight. */
    private void settle(int inFlight) {
        while (runner.inFlight() > inFlight) {
            Flight flight = runner.settle();
            int at = 0;
            for (StepWork.Score score : flight.scores()) {
                for (int i = 0; i < score.count(); i++) {
                    score.sample().ticket.promptLogProbabilities[score.from() + i] = flight.score(at++);
                }
            }
            for (int i = 0; i < flight.draws().size(); i++) {
                Sequence sample = flight.draws().get(i).sample();
                if (sample.finished()) {
                    surplus++;
                } else {
                    accept(sample, flight.id(i), flight.logProbability(i));
                }
            }
        }
    }

    private void accept(Sequence sample, int id, float logProbability) {
        if (id < 0) {
            throw new ArithmeticException("the model's logits are not numbers at position " + (sample.length() - sample.unread()));
        }
        tokens++;
        SamplingParams params = sample.ticket.request.params();
        sample.append(id, logProbability);
        sample.publish(pool, config.blockSize());
        if ((eosIds.contains(id) && !params.ignoreEos()) || params.stopTokens().contains(id)) {
            finish(sample, FinishReason.STOP);
            return;
        }
        tell(sample, sample.text.append(sample.decoder.append(id)));
        if (sample.text.stopped()) {
            finish(sample, FinishReason.STOP);
        } else if (sample.unread() == 0 && sample.full(config.contextLength())) {
            finish(sample, FinishReason.LENGTH);
        }
    }

    private void tell(Sequence sample, String piece) {
        if (!piece.isEmpty()) {
            sample.ticket.listener.text(sample.number, piece);
        }
    }

    private void finish(Sequence sample, FinishReason reason) {
        if (!sample.text.stopped()) {
            tell(sample, sample.text.append(sample.decoder.flush()));
        }
        tell(sample, sample.text.flush());
        sample.finish();
        scheduler.remove(sample);
        sample.ticket.listener.finished(new Completion(sample.number, sample.generatedIds(), sample.generatedLogProbabilities(),
                sample.text.text(), reason, sample.ticket.promptLogProbabilities));
    }

    private void finishCancelled() {
        for (Sequence sample : scheduler.inFlight()) {
            Ticket ticket = sample.ticket;
            if (!ticket.forking() && ticket.cancelled(sample.number)) {
                finish(sample, FinishReason.CANCELLED);
            } else if (ticket.forking() && ticket.allCancelled()) {
                cancelBeforeFork(sample);
            }
        }
    }

    /** All samples of a request whose prompt is not computed yet. */
    private void cancelBeforeFork(Sequence trunk) {
        trunk.finish();
        scheduler.remove(trunk);
        for (int i = 0; i < trunk.ticket.request.samples(); i++) {
            trunk.ticket.listener.finished(new Completion(trunk.number + i, new int[0], new float[0], "", FinishReason.CANCELLED,
                    trunk.ticket.promptLogProbabilities));
        }
    }

    /** What was done so far. */
    public GeneratorStats stats() {
        return runner.stats(tokens, surplus);
    }

    public GeneratorConfig config() {
        return config;
    }
}
