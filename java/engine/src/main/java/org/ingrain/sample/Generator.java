package org.ingrain.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Weights;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * Generates samples from a model with continuous batching. Each step computes one ragged batch of prompt tokens and
 * decode tokens. A replica computes the prompt of a request once for all samples that it takes from the request, and
 * draws the first tokens of these samples from the same row of logits. On the CPU, and on a GPU in deterministic mode,
 * the result of a request depends only on the request. The other requests in the batch, the number of steps for the
 * prompt, shared or evicted cache blocks, and the number of ranks and replicas do not change the result.
 *
 * <p>If the backend is asynchronous, the host enqueues a step before it has read the tokens of the previous step. The
 * host then detects the end of a sample one step late and discards the surplus token. A generator is used by one thread
 * at a time; listeners are called on that thread.
 */
public final class Generator implements AutoCloseable {
    private final GeneratorConfig config;
    private final Blueprint model;
    private final int adapterSlots;
    private final Supplier<StreamingDecoder> decoders;
    private final Set<Integer> eosIds;
    private final List<Replica> replicas;
    /** Null if a single replica runs on the thread that calls the generator. */
    private final ReplicaPool pool;
    /**
     * Whether the adapter that was loaded last replaces parameters of the model. A generator with such an adapter has
     * no other adapter.
     */
    private volatile boolean replaces;

    /**
     * Creates a generator for a model on one device. The computation runs on the thread that calls {@link #step}.
     *
     * @param weights  weights of the model, in the memory of the device
     * @param adapters bank of the adapters that requests may use, or null
     * @param config   sizes of the batch and the cache
     * @param decoders creates a detokenizer for each sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(Weights weights, AdapterBank adapters, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
                     List<Integer> eosIds) {
        this(List.of(ShardedModel.whole(weights, adapters)), config, decoders, eosIds, lag(weights));
    }

    /**
     * Creates a generator for replicas of a model; each replica is sharded over its ranks. If there are several ranks
     * or replicas, each rank has its own thread, and the replicas start to compute as soon as a request is submitted.
     *
     * @param models   replicas, which take requests from a common queue
     * @param config   sizes for each replica
     * @param decoders creates a detokenizer for each sample
     * @param eosIds   end-of-sequence ids
     */
    public Generator(List<ShardedModel> models, GeneratorConfig config, Supplier<StreamingDecoder> decoders,
                     List<Integer> eosIds) {
        this(models, config, decoders, eosIds, lag(models.getFirst().weights().getFirst()));
    }

    /** @param lag maximum number of enqueued steps whose results are unread when {@link #step} returns */
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
        this.eosIds = Set.copyOf(eosIds);
        replicas = models.stream()
                .map(copy -> copy.ranks().onLeader(() -> new Replica(copy, config, this.eosIds, lag)))
                .toList();
        pool = models.getFirst().ranks().threaded() ? new ReplicaPool(replicas, config.maxSequences()) : null;
    }

    private static int lag(Weights weights) {
        return weights.context().device().asynchronous() ? 1 : 0;
    }

    /**
     * Number of bytes that a generator allocates on one rank for cache and workspace. The weights need not be loaded.
     */
    public static long bytes(Weights weights, GeneratorConfig config) {
        requireContext(weights.config(), config);
        return Replica.bytes(weights, config);
    }

    /** Size of the key-value cache in bytes; {@link #bytes} includes it. */
    public static long cacheBytes(Weights weights, GeneratorConfig config) {
        return Allocator.bytes(weights.context(), memory -> Replica.cache(memory, weights, config));
    }

    private static void requireContext(Blueprint model, GeneratorConfig config) {
        if (config.contextLength() > model.maxContextLength()) {
            throw InputException.field("contextLength", config.contextLength() + ", expected at most "
                    + model.contextLimit());
        }
    }

    /**
     * Number of op calls for which a slower kernel replaced the intended kernel, summed over all devices. The key of an
     * entry states the op, its sizes and the reason.
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

    /**
     * Checks a request. Any thread may call this method.
     *
     * @throws InputException if the prompt fills the context; if an id of the prompt or of {@code logitBias} is not in
     *         the vocabulary; if the adapter slot does not exist; if the loaded adapter replaces parameters of the
     *         model and the request does not use this adapter; or if {@code minTokens} would require a ban of every
     *         token or of too many tokens
     */
    public void check(Request request) {
        bias(request);
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
            throw new InputException("adapter slot " + request.adapterSlot() + ": no adapter is loaded in this slot");
        }
        if (replaces && request.adapterSlot() < 0) {
            throw new InputException("a request without the adapter: the adapter's modules_to_save replace parameters"
                    + " of the model, so this generator computes only requests with the adapter");
        }
    }

    private TokenBias bias(Request request) {
        return TokenBias.of(request.params(), eosIds, model.vocabSize());
    }

    /** Queues a request. Throws an InputException if {@link #check} rejects the request. */
    public Ticket submit(Request request, GenerationListener listener) {
        check(request);
        Ticket ticket = new Ticket(request, pool == null ? listener : pool.relay(listener), bias(request), decoders);
        if (pool == null) {
            replicas.getFirst().enqueue(ticket);
        } else {
            pool.submit(ticket);
        }
        return ticket;
    }

    /**
     * Replaces the adapter in a slot by an adapter that consists only of these low-rank updates.
     */
    public void loadAdapter(int slot, List<LoraModule> adapter) {
        loadAdapter(slot, Adapter.of(adapter));
    }

    /**
     * Replaces the adapter in a slot and invalidates the prefix cache of the slot. No request for this slot may be in
     * flight. An adapter that replaces parameters of the model needs a bank that was created for these parameters;
     * while this adapter is loaded, requests without the adapter are rejected.
     *
     * @throws InputException if the adapter is not within the bank's limits
     */
    public void loadAdapter(int slot, Adapter adapter) {
        if (pool != null) {
            pool.requireUnused(slot);
        }
        for (Replica replica : replicas) {
            replica.model().ranks().onLeader(() -> {
                replica.loadAdapter(slot, adapter);
                return null;
            });
        }
        replaces = !adapter.saved().isEmpty();
    }

    /**
     * Runs all requests to completion. Returns one list of samples per request, in the order of {@code requests}. The
     * samples of a list are ordered by their numbers.
     */
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
     * Enqueues one step and reads the results of the oldest steps in flight. On an asynchronous device, the newest step
     * remains unread. If replicas have their own threads, the method waits until one replica has enqueued a step and
     * has read the results of its oldest steps in flight. The method returns false when all requests are finished; the
     * devices are then idle too. If the softmax of a token's logits is undefined, the method calls
     * {@link GenerationListener#failed}, which by default throws an InputException. If a rank fails, the method first
     * reports the tokens that were read before the failure, and then throws the exception of the rank.
     */
    public boolean step() {
        return pool == null ? replicas.getFirst().step() : pool.step();
    }

    /** Statistics since creation, summed over all replicas. */
    public GeneratorStats stats() {
        return pool == null ? replicas.getFirst().stats() : pool.stats();
    }

    /** The load after the last step, summed over all replicas. */
    public GeneratorLoad load() {
        return pool == null ? replicas.getFirst().load() : pool.load();
    }

    /** The configuration of each replica. */
    public GeneratorConfig config() {
        return config;
    }

    /** Maximum number of samples in flight, summed over all replicas. */
    public int maxSequences() {
        return replicas.size() * config.maxSequences();
    }

    /** Number of adapter slots. */
    public int adapterSlots() {
        return adapterSlots;
    }

    /** Waits for the devices, then frees the generator's memory. Unfinished requests are abandoned. */
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
