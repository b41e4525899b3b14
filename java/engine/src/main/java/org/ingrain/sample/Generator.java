package org.ingrain.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.ingrain.ffi.Context;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.KvCache;
import org.ingrain.model.Llama;
import org.ingrain.model.LlamaConfig;
import org.ingrain.model.LlamaWeights;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Step;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * Draws samples from a Llama, many at once: one ragged batch a step, in which prompts are computed beside samples that grow. A prompt is
 * computed once for all of its samples; its first tokens are drawn from one row of logits. What a request yields depends on nothing but
 * the request: not on its neighbours, nor on how its prompt was split, shared or evicted. Used by one thread at a time.
 */
public final class Generator {
    private static final int PROMPT_LOGIT_ROWS = 64;

    private final GeneratorConfig config;
    private final Llama llama;
    private final KvCache cache;
    private final AdapterBank adapters;
    private final Supplier<StreamingDecoder> decoders;
    private final Set<Integer> eosIds;
    private final BlockPool pool;
    private final Scheduler scheduler;
    private final Step step;
    private final Draws draws;

    /**
     * @param weights  of the model; on the context that computes
     * @param adapters bank of the adapters that requests may name, or null
     * @param decoders makes a detokenizer for a sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(Context context, LlamaWeights weights, AdapterBank adapters, GeneratorConfig config,
                     Supplier<StreamingDecoder> decoders, List<Integer> eosIds) {
        if (config.contextLength() > weights.config().maxPositionEmbeddings()) {
            throw new InputException("--context: " + config.contextLength() + ", expected at most max_position_embeddings "
                    + weights.config().maxPositionEmbeddings());
        }
        this.config = config;
        this.adapters = adapters;
        this.decoders = decoders;
        this.eosIds = new HashSet<>(eosIds);
        Step.Limits limits = limits(config);
        llama = new Llama(context, weights, limits);
        cache = new KvCache(context, weights, config.blocks(), config.blockSize());
        pool = new BlockPool(config.blocks(), config.prefixCache());
        scheduler = new Scheduler(config, pool);
        step = new Step(context, limits);
        draws = new Draws(context, config.maxSequences(), limits.logitRows(), weights.config().vocabSize());
    }

    private static Step.Limits limits(GeneratorConfig config) {
        return new Step.Limits(config.maxBatchTokens(), config.maxSequences(), config.maxSequences() + PROMPT_LOGIT_ROWS, config.maxBlocks(),
                config.blockSize());
    }

    /** Bytes that a generator allocates beside the weights: cache and workspace. */
    public static long bytes(Context context, LlamaConfig model, Precision precision, GeneratorConfig config) {
        return config.blocks() * KvCache.blockBytes(context, model, precision, Rank.SINGLE, config.blockSize())
                + Llama.workspaceBytes(model, precision, Rank.SINGLE, limits(config)) + Draws.bytes(config.maxSequences(), model.vocabSize());
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
        scheduler.enqueue(new Sample(ticket, request.firstSample(), decoders.get()));
        return ticket;
    }

    /** Replaces the adapter in a slot; what was cached under the old one is forgotten. Nothing of that slot may be in flight. */
    public void loadAdapter(int slot, List<LoraModule> adapter) {
        if (scheduler.inFlight().stream().anyMatch(sample -> sample.ticket.request.adapterSlot() == slot)) {
            throw new IllegalStateException("adapter slot " + slot + " is in use");
        }
        pool.forgetAdapter(slot);
        adapters.load(slot, adapter);
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

    /** Computes one step; false where nothing is left to do. */
    public boolean step() {
        finishCancelled();
        if (scheduler.idle()) {
            return false;
        }
        List<Scheduler.Part> parts = scheduler.plan(PROMPT_LOGIT_ROWS);
        if (parts.isEmpty()) {
            throw new IllegalStateException("nothing can be scheduled with " + pool.available() + " of " + pool.blocks() + " blocks free");
        }
        int[] firstLogit = fill(parts);
        Tensor logits = llama.forward(step, cache, adapters);
        List<Draws.Draw> wanted = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            finishPart(parts.get(i), logits, firstLogit[i], wanted);
        }
        for (int i = 0; i < wanted.size(); i += config.maxSequences()) {
            List<Draws.Draw> some = wanted.subList(i, Math.min(i + config.maxSequences(), wanted.size()));
            Draws.Drawn drawn = draws.draw(logits, some);
            for (int j = 0; j < some.size(); j++) {
                accept(some.get(j).sample(), drawn.ids()[j], drawn.logProbabilities()[j]);
            }
        }
        return !scheduler.idle();
    }

    /** Puts the parts into the step; returns the first row of logits that each asked for, or -1. */
    private int[] fill(List<Scheduler.Part> parts) {
        step.clear();
        int[] firstLogit = new int[parts.size()];
        for (int i = 0; i < parts.size(); i++) {
            Scheduler.Part part = parts.get(i);
            Sample sample = part.sample();
            int[] blocks = sample.blocks.stream().mapToInt(Integer::intValue).toArray();
            int from = sample.computed();
            int row = step.add(sample.ids(), from, from + part.tokens(),
                    new Step.Placement(blocks, part.group(), part.prefixBlocks(), sample.ticket.request.adapterSlot()));
            firstLogit[i] = -1;
            boolean last = part.tokens() == sample.pending();
            for (int t = sample.ticket.wantsPrompt() ? 0 : part.tokens() - 1; t < part.tokens(); t++) {
                if (sample.ticket.wantsPrompt() || last) {
                    int logit = step.wantLogits(row + t);
                    firstLogit[i] = firstLogit[i] < 0 ? logit : firstLogit[i];
                }
            }
        }
        step.upload();
        return firstLogit;
    }

    private void finishPart(Scheduler.Part part, Tensor logits, int firstLogit, List<Draws.Draw> wanted) {
        Sample sample = part.sample();
        if (sample.ticket.wantsPrompt()) {
            int from = sample.computed() + 1;
            int[] targets = Arrays.copyOfRange(sample.ids(), from, Math.min(from + part.tokens(), sample.length()));
            if (targets.length > 0) {
                float[] values = draws.logProbabilities(logits, firstLogit, targets);
                System.arraycopy(values, 0, sample.ticket.promptLogProbabilities, from, values.length);
            }
        }
        int lastLogit = sample.ticket.wantsPrompt() ? firstLogit + part.tokens() - 1 : firstLogit;
        sample.advance(part.tokens());
        sample.publish(pool, config.blockSize());
        if (sample.pending() > 0) {
            return;
        }
        wanted.add(new Draws.Draw(sample, lastLogit));
        if (sample.ticket.forking()) {
            fork(sample, lastLogit, wanted);
        }
    }

    /** Makes the other samples of a request whose prompt is computed; each draws its first token from the same row. */
    private void fork(Sample trunk, int logitRow, List<Draws.Draw> wanted) {
        Ticket ticket = trunk.ticket;
        ticket.forked();
        boolean partly = trunk.computed() % config.blockSize() != 0;
        List<Integer> pairs = new ArrayList<>();
        for (int i = 1; i < ticket.request.samples(); i++) {
            Sample sample = new Sample(ticket, trunk.number + i, decoders.get());
            sample.fork(trunk, pool, config.blockSize());
            if (scheduler.place(sample, partly) && partly) {
                pairs.add(trunk.blocks.getLast());
                pairs.add(sample.blocks.getLast());
            }
            wanted.add(new Draws.Draw(sample, logitRow));
        }
        if (!pairs.isEmpty()) {
            cache.copyBlocks(pairs.stream().mapToInt(Integer::intValue).toArray(), pairs.size() / 2);
        }
    }

    private void accept(Sample sample, int id, float logProbability) {
        if (id < 0) {
            throw new ArithmeticException("the model's logits are not numbers at position " + sample.length());
        }
        SamplingParams params = sample.ticket.request.params();
        sample.append(id, logProbability);
        if ((eosIds.contains(id) && !params.ignoreEos()) || params.stopTokens().contains(id)) {
            finish(sample, FinishReason.STOP);
            return;
        }
        tell(sample, sample.text.append(sample.decoder.append(id)));
        if (sample.text.stopped()) {
            finish(sample, FinishReason.STOP);
        } else if (sample.generated() == params.maxTokens() || sample.length() == config.contextLength()) {
            finish(sample, FinishReason.LENGTH);
        }
    }

    private void tell(Sample sample, String piece) {
        if (!piece.isEmpty()) {
            sample.ticket.listener.text(sample.number, piece);
        }
    }

    private void finish(Sample sample, FinishReason reason) {
        if (!sample.text.stopped()) {
            tell(sample, sample.text.append(sample.decoder.flush()));
        }
        tell(sample, sample.text.flush());
        scheduler.remove(sample);
        sample.ticket.listener.finished(new Completion(sample.number, sample.generatedIds(), sample.generatedLogProbabilities(),
                sample.text.text(), reason, sample.ticket.promptLogProbabilities));
    }

    private void finishCancelled() {
        for (Sample sample : scheduler.inFlight()) {
            Ticket ticket = sample.ticket;
            if (!ticket.forking() && ticket.cancelled(sample.number)) {
                finish(sample, FinishReason.CANCELLED);
            } else if (ticket.forking() && ticket.allCancelled()) {
                cancelBeforeFork(sample);
            }
        }
    }

    /** All samples of a request whose prompt is not computed yet. */
    private void cancelBeforeFork(Sample trunk) {
        scheduler.remove(trunk);
        for (int i = 0; i < trunk.ticket.request.samples(); i++) {
            trunk.ticket.listener.finished(new Completion(trunk.number + i, new int[0], new float[0], "", FinishReason.CANCELLED,
                    trunk.ticket.promptLogProbabilities));
        }
    }

    public GeneratorConfig config() {
        return config;
    }
}
