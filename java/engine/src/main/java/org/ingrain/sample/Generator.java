package org.ingrain.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Weights;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * Draws samples from a model, many at once: one ragged batch a step, in which prompts are computed beside samples that
 * grow. A prompt is computed once for all of its samples; its first tokens are drawn from one row of logits. What a
 * request yields depends on nothing but the request: not on its neighbours, nor on how its prompt was split, shared or
 * evicted, nor on how many ranks and replicas compute. Where the backend computes while the host goes on, a step is
 * enqueued before the tokens of the step before have been read: a sample that ends is then seen a step late, and the
 * token that was drawn for it meanwhile is thrown away. Used by one thread at a time, which listeners are called on.
 */
public final class Generator implements AutoCloseable {
    private final GeneratorConfig config;
    private final Blueprint model;
    private final int adapterSlots;
    private final Supplier<StreamingDecoder> decoders;
    private final List<Replica> replicas;
    /** Null where the one replica works on the caller's thread. */
    private final ReplicaPool pool;

    /**
     * A model on one device, which computes in {@link #step}.
     *
     * @param weights  of the model, on the device that computes
     * @param adapters bank of the adapters that requests may name, or null
     * @param decoders makes a detokenizer for a sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(Weights weights, AdapterBank adapters, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
                     List<Integer> eosIds) {
        this(List.of(ShardedModel.whole(weights, adapters)), config, decoders, eosIds, lag(weights));
    }

    /**
     * Copies of a model, each over its ranks. Several ranks or copies compute on threads of their own, from the moment
     * a request is submitted.
     *
     * @param models   copies, which take requests from one queue
     * @param config   of each copy
     * @param decoders makes a detokenizer for a sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(List<ShardedModel> models, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
                     List<Integer> eosIds) {
        this(models, config, decoders, eosIds, lag(models.getFirst().weights().getFirst()));
    }

    /** lag: how many steps the host reads behind the last one enqueued. */
    Generator(Weights weights, AdapterBank adapters, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
              List<Integer> eosIds, int lag) {
        this(List.of(ShardedModel.whole(weights, adapters)), config, decoders, eosIds, lag);
    }

    private Generator(List<ShardedModel> models, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
                      List<Integer> eosIds, int lag) {
        model = models.getFirst().weights().getFirst().config();
        requireContext(model, config);
        this.config = config;
        this.decoders = decoders;
        adapterSlots = models.getFirst().adapterSlots();
        Set<Integer> ends = Set.copyOf(eosIds);
        replicas = models.stream().map(copy -> copy.ranks().onLeader(() -> new Replica(copy, config, ends, lag)))
                .toList();
        pool = models.getFirst().ranks().threaded() ? new ReplicaPool(replicas, config.maxSequences()) : null;
    }

    private static int lag(Weights weights) {
        return weights.context().device().asynchronous() ? 1 : 0;
    }

    /** Bytes that a generator allocates beside a rank's weights, which need not be loaded: cache and workspace. */
    public static long bytes(Weights weights, GeneratorConfig config) {
        requireContext(weights.config(), config);
        return Replica.bytes(weights, config);
    }

    private static void requireContext(Blueprint model, GeneratorConfig config) {
        if (config.contextLength() > model.maxContextLength()) {
            throw InputException.field("contextLength", config.contextLength() + ", expected at most "
                    + model.contextLimit());
        }
    }

    /**
     * Calls on its devices so far that something slower computed than what was meant for them, by op, sizes and reason.
     */
    public SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>();
        for (Replica replica : replicas) {
            ShardedModel copy = replica.model();
            copy.ranks().run(rank -> copy.weights().get(rank).context().fallbacks())
                    .forEach(calls -> calls.forEach((what, count) -> all.merge(what, count, Long::sum)));
        }
        return all;
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
        if (request.adapterSlot() >= adapterSlots) {
            throw new InputException("adapter slot " + request.adapterSlot() + ": none is loaded there");
        }
        Ticket ticket = new Ticket(request, pool == null ? listener : pool.relay(listener), decoders);
        if (pool == null) {
            replicas.getFirst().enqueue(ticket);
        } else {
            pool.submit(ticket);
        }
        return ticket;
    }

    /**
     * Replaces the adapter in a slot; what was cached under the old one is forgotten. Nothing of that slot may be in
     * flight.
     */
    public void loadAdapter(int slot, List<LoraModule> adapter) {
        if (pool != null) {
            pool.requireUnused(slot);
        }
        for (Replica replica : replicas) {
            replica.model().ranks().onLeader(() -> {
                replica.loadAdapter(slot, adapter);
                return null;
            });
        }
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
     * Enqueues one step and reads what is due, or waits until a replica has done so. Returns false if nothing is left
     * to do; then the devices are idle too. Throws an ArithmeticException if the model's logits are not numbers. The
     * failure of a rank is thrown after everything that was drawn before.
     */
    public boolean step() {
        return pool == null ? replicas.getFirst().step() : pool.step();
    }

    /** What was done so far, by all replicas together. */
    public GeneratorStats stats() {
        return pool == null ? replicas.getFirst().stats() : pool.stats();
    }

    /** Of each replica. */
    public GeneratorConfig config() {
        return config;
    }

    /** Samples that are computed at a time, by all replicas together. */
    public int maxSequences() {
        return replicas.size() * config.maxSequences();
    }

    /** Adapters that can be loaded at a time. */
    public int adapterSlots() {
        return adapterSlots;
    }

    /** Waits for the devices, then frees what the generator allocated; unfinished requests stay unfinished. */
    @Override
    public void close() {
        if (pool != null) {
            pool.stop();
        }
        for (Replica replica : replicas) {
            if (!replica.model().ranks().hasFailed()) {
                replica.model().ranks().onLeader(() -> {
                    replica.close();
                    return null;
                });
            }
        }
    }
}
