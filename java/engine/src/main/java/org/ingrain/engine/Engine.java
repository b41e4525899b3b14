package org.ingrain.engine;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.Digest;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.ShardedModel;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.ingrain.train.Trainer;
import org.ingrain.train.pass.FullParameters;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingModel;
import org.ingrain.train.run.TrainingRun;
import org.ingrain.workbench.Workbench;

/**
 * A model on one or several devices. This class is the entry point for users of the library. {@link #open} only reads
 * the configuration and opens the devices. The weights are loaded when the first generator or trainer is created.
 * Before that, the engine checks that the memory is sufficient for both the weights and this generator or trainer. All
 * generators and trainers share the weights. Closing the engine releases all of its resources; trainers must be closed
 * before the engine. Not thread-safe.
 */
public final class Engine implements AutoCloseable {
    /** The names of the parts of a memory plan that a generator without adapters needs. */
    static final List<String> GENERATOR = List.of("cache", "workspace");
    private static final long RANDOM_SEED = 1;

    private final ModelOptions options;
    private final Listener listener;
    private final List<AutoCloseable> opened;
    private final Blueprint blueprint;
    /** Null if the weights are random. */
    private final ModelFolder folder;
    private final Backend backend;
    private final WeightsCache cache;
    private final Precision precision;
    private final Placement placement;
    private final List<ModelCopy> copies = new ArrayList<>();
    private Tokenizer tokenizer;
    private ChatTemplate template;
    private List<MemoryPlan> memory = List.of();

    /**
     * Receives the progress of loading. {@link #loaded} is called on the threads that load, one call at a time. The
     * other methods are called on the thread that uses the engine.
     */
    public interface Listener {
        /** Reports in one line how the devices are used, and why. Called only if there are several devices. */
        default void placed(String line) {
        }

        /** Called before the weights are loaded. {@code plan} is for the device with the least memory left. */
        default void planned(MemoryPlan plan) {
        }

        /**
         * Reports that the maximum context is shorter than max_position_embeddings. Called before {@link #planned}.
         *
         * @param limit the maximum context and its reason, such as {@code sliding_window 4096, since ...}
         */
        default void capped(String limit) {
        }

        /** Reports that each rank has loaded, on average, {@code layers} of its {@code of} layers. */
        default void loaded(int layers, int of) {
        }

        /** Reports the total size of the weights and the loading time, when all weights are on their devices. */
        default void allLoaded(long bytes, double seconds) {
        }

        /**
         * Reports the op calls for which a slower kernel replaced the intended kernel (fallbacks). Called when the
         * engine is closed, if there was at least one fallback.
         *
         * @param calls number of calls for each key; a key states the op, its sizes and the reason
         */
        default void fellBack(SortedMap<String, Long> calls) {
        }
    }

    private Engine(ModelOptions options, Listener listener, List<AutoCloseable> opened) {
        this.options = options;
        this.listener = listener;
        this.opened = opened;
        folder = options.randomWeights() ? null : own(ModelFolder.open(options.model()));
        blueprint = folder == null ? options.blueprint() : folder.config();
        cache = own(new WeightsCache(options));
        backend = own(Workbench.open(NativeLibraries.find(options.backend()), options.kernels()));
        precision = options.precision(folder == null ? new Precision.Stored(blueprint.dtype(), null)
                : folder.stored());
        if (options.enableThinking().isPresent()) {
            template();   // throws, before loading weights, if the template ignores enable_thinking
        }
        Devices devices = new Devices(backend, options);
        devices.prepare();
        placement = Placement.of(options, blueprint, precision.weights().group(),
                ranks -> devices.fit(context -> bytes(context, ranks)));
        devices.requireCollectives(placement);
        for (int copy = 0; copy < placement.dataParallelSize(); copy++) {
            copies.add(own(devices.open(copy, placement)));
        }
        if (placement.devices() > 1) {
            listener.placed(placement.line(options.device()));
        }
    }

    /** The bytes that one rank needs in total for its weights, a generator with default sizes, and the driver. */
    private long bytes(Context context, int ranks) {
        Weights share = new Weights(new Allocator.Counter(context), blueprint, precision, new Rank(0, ranks));
        return Allocator.bytes(context, memory -> new Weights(memory, blueprint, precision, share.rank()))
                + Generator.bytes(share, sizes().smallest()) + context.device().driverBytes();
    }

    /** Opens a model without a listener. */
    public static Engine open(ModelOptions options) {
        return open(options, new Listener() { });
    }

    /**
     * Opens a model. On failure, closes everything that it has opened.
     *
     * @throws InputException if an option is not supported, or if a file of the model is missing or invalid
     */
    public static Engine open(ModelOptions options, Listener listener) {
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            return new Engine(options, listener, opened);
        } catch (RuntimeException e) {
            closeAll(opened, e);
            throw e;
        }
    }

    private <T extends AutoCloseable> T own(T resource) {
        opened.add(resource);
        return resource;
    }

    /**
     * Reads an adapter in PEFT's format. Returns the changes that this adapter would make to the model. The method does
     * not change the model.
     *
     * @throws InputException if the folder does not contain an adapter for this model
     */
    public Adapter adapter(Path adapter) {
        PeftAdapter read = PeftAdapter.read(adapter, blueprint);
        return folder == null ? new Adapter(read.modules(), read.savedModules()) : read.changes(folder);
    }

    /**
     * Returns the modules of the adapter with which a training starts. Throws an InputException if the adapter also
     * replaces parameters of the model.
     */
    public List<LoraModule> trainableAdapter(Path adapter) {
        Adapter read = adapter(adapter);
        if (!read.saved().isEmpty()) {
            throw new InputException(adapter + ": modules_to_save replaces " + read.saved().size()
                    + " parameters, such as " + new TreeSet<>(read.saved().keySet()).first()
                    + ", expected only LoRA modules; merge the adapter and train the result");
        }
        return read.modules();
    }

    /** Creates a generator for the base model. */
    public Generator generator(GeneratorConfig config) {
        return generator(config, 0, 0);
    }

    /** Creates a generator with slots for adapters of at most the given rank; see {@link AdapterSlots}. */
    public Generator generator(GeneratorConfig config, int slots, int rank) {
        return generator(config, AdapterBank.Limits.of(slots, rank));
    }

    /**
     * Creates a generator with one slot that is large enough for this adapter. The adapter is not loaded. If
     * {@code adapter} is null, the generator has no slot.
     */
    public Generator generator(GeneratorConfig config, Adapter adapter) {
        return generator(config, limits(adapter));
    }

    private static AdapterBank.Limits limits(Adapter adapter) {
        return adapter == null ? AdapterBank.Limits.of(0, 0) : AdapterBank.Limits.of(adapter);
    }

    /** Creates a generator that can load adapters within these limits. */
    public Generator generator(GeneratorConfig config, AdapterBank.Limits adapters) {
        Tokenizer text = tokenizer();   // an unreadable tokenizer is rejected before the weights are loaded
        int tokens = config.maxBatchTokens();
        load(room(config, adapters));
        List<ShardedModel> models = copies.stream().map(copy -> new ShardedModel(subject(), copy.ranks(),
                copy.weights(), adapters.slots() == 0 ? List.of() : copy.ranks().run(i -> new AdapterBank(
                        copy.contexts().get(i), copy.weights().get(i), adapters, tokens)))).toList();
        return new Generator(models, config, () -> text.streamingDecoder(true), text.eosIds());
    }

    /**
     * Creates a generator for a model without a tokenizer. The generator has no end-of-sequence ids and no adapter
     * slots.
     */
    public Generator generator(GeneratorConfig config, Supplier<StreamingDecoder> decoders) {
        load(room(config, limits(null)));
        return new Generator(copies.stream()
                .map(copy -> new ShardedModel(subject(), copy.ranks(), copy.weights(), List.of())).toList(), config,
                decoders, List.of());
    }

    /** The memory that a generator needs on one rank in addition to the weights. */
    private List<MemoryPlan.Part> room(GeneratorConfig config, AdapterBank.Limits adapters) {
        Weights share = planned(placement.tensorParallelSize());
        long all = Generator.bytes(share, config);
        long cache = Generator.cacheBytes(share, config);
        List<MemoryPlan.Part> parts = new ArrayList<>(List.of(new MemoryPlan.Part(GENERATOR.getFirst(), cache),
                new MemoryPlan.Part(GENERATOR.getLast(), all - cache)));
        if (adapters.slots() > 0) {
            parts.add(new MemoryPlan.Part("adapter", Allocator.bytes(context(),
                    counter -> new AdapterBank(counter, share, adapters, config.maxBatchTokens()))));
        }
        return parts;
    }

    /**
     * The default sizes. A batch has 128, 64 or 32 samples. This is the largest of these numbers with which the
     * generator needs at most a quarter of the memory that the weights leave free; if there is none, it is 32. A step
     * has 512 tokens on a CPU and 2048 on a GPU. The context length is the model's, but at most 4096 tokens.
     */
    public GeneratorConfig defaults() {
        return sizes().choose(config -> plan(config, 0, 0));
    }

    private DefaultSizes sizes() {
        return new DefaultSizes(blueprint.maxContextLength(), options.backend().equals("cpu"));
    }

    /**
     * Creates a trainer for an adapter of the frozen weights, on all devices.
     *
     * @param lora shape of the adapter
     * @param from the modules of the adapter with which training starts; empty for a new adapter. Rank, scaling and
     *             projections of these modules must be those of {@code lora}
     * @param run  data, settings and output folder
     * @throws InputException if there is not enough memory, or if {@code from} and {@code lora} differ in rank, scaling
     *         or projections
     */
    public Trainer trainer(LoraConfig lora, List<LoraModule> from, TrainingRun run) {
        load(List.of(room(lora, run)));
        return Trainer.lora(trained(run), lora, options.model().toString(), from, run);
    }

    /**
     * Creates a trainer for all weights, either of the model folder or of a new model with random weights.
     *
     * @throws InputException if there is not enough memory, or if {@link #requireFullTraining} throws one
     */
    public Trainer trainer(TrainingRun run) {
        requireFullTraining();
        load(List.of(new MemoryPlan.Part("training",
                Trainer.memory(run).fullBytes(planned(1), copies.size()))));
        return folder == null ? Trainer.fresh(trained(run), options.model(), run)
                : folder.reading(() -> Trainer.full(trained(run), folder, run));
    }

    /**
     * Throws an InputException if the engine cannot train all weights, because the model is sharded, its weights are
     * quantized, or its weights are in a cache.
     */
    public void requireFullTraining() {
        options.weights().requireNoCache();
        FullParameters.requireWhole(placement.tensorParallelSize());
        if (folder != null) {
            folder.requireFloats("to train all weights");
        }
        Require.that(!precision.weights().dtype().quantized(), "dtype", options.dtype(),
                "f32 or bf16 to train all weights");
    }

    private List<TrainingModel> trained(TrainingRun run) {
        int busy = run.train().gradientAccumulation();
        if (busy < copies.size()) {
            listener.placed("training uses " + busy + " of " + copies.size() + " copies of the model: a step has "
                    + (busy == 1 ? "one micro-batch" : busy + " micro-batches") + " (gradient accumulation)");
        }
        return copies.stream().map(copy -> new TrainingModel(copy.ranks(), copy.weights())).toList();
    }

    /** The minimum memory that a rank needs to train an adapter, in addition to the weights. */
    public MemoryPlan.Part room(LoraConfig lora, TrainingRun run) {
        return room(lora, Trainer.memory(run));
    }

    /** The memory that a rank needs to train an adapter with these training sizes, in addition to the weights. */
    public MemoryPlan.Part room(LoraConfig lora, TrainingMemory memory) {
        return new MemoryPlan.Part("training", memory.loraBytes(planned(placement.tensorParallelSize()), lora,
                copies.size()));
    }

    /** Returns one rank's weights for memory planning. No memory is allocated for them. */
    private Weights planned(int ranks) {
        return new Weights(new Allocator.Counter(context()), blueprint, precision, new Rank(0, ranks));
    }

    /**
     * Plans the memory that a generator needs on every device. Loads nothing.
     *
     * @param slots number of adapter slots
     */
    public List<MemoryPlan> plan(GeneratorConfig config, int slots, int rank) {
        return plan(room(config, AdapterBank.Limits.of(slots, rank)));
    }

    /**
     * Plans the memory of every device. Each rank allocates memory for the parts in {@code beside}. If the weights are
     * not loaded yet, each rank also allocates memory for its weights.
     */
    private List<MemoryPlan> plan(List<MemoryPlan.Part> beside) {
        if (loaded()) {
            return Devices.plans(options, copies, null, beside);
        }
        List<MemoryPlan.Part> parts = new ArrayList<>(beside);
        if (context().device().driverBytes() > 0) {
            parts.add(new MemoryPlan.Part("driver", context().device().driverBytes()));
        }
        Rank rank = copies.getFirst().rank(0);
        return Devices.plans(options, copies, new MemoryPlan.Part("weights", Allocator.bytes(context(),
                counter -> new Weights(counter, blueprint, precision, rank))), parts);
    }

    private boolean loaded() {
        return copies.stream().noneMatch(copy -> copy.weights().isEmpty());
    }

    /**
     * Checks that the memory is sufficient for the parts in {@code beside} and the weights. Then loads the weights,
     * unless they are already loaded.
     */
    private void load(List<MemoryPlan.Part> beside) {
        List<MemoryPlan> plans = plan(beside);
        MemoryPlan fullest = plans.stream().min(Comparator.comparingLong(MemoryPlan::left)).orElseThrow();
        fullest.require(plans.size() == 1 ? subject() : subject() + " on " + fullest.device());
        if (!loaded()) {
            memory = plans;
            if (blueprint.maxContextLength() < blueprint.maxPositionEmbeddings()) {
                listener.capped(blueprint.contextLimit());
            }
            listener.planned(fullest);
            new Loading(copies, listener).run(this::load);
        }
    }

    private Weights load(Context context, Rank rank, Weights.Progress progress) {
        return folder == null ? Weights.random(context, blueprint, precision, rank, RANDOM_SEED)
                : cache.weights(context, memory -> new Weights(memory, blueprint, precision, rank),
                        memory -> folder.reading(() ->
                                Weights.load(memory, blueprint, precision, rank, folder, progress)));
    }

    private String subject() {
        return options.model().toString();
    }

    /**
     * The memory plan of the device with the least memory left. The plan covers the weights and the first generator or
     * trainer. Null before the weights are loaded.
     */
    public MemoryPlan memory() {
        return memory.stream().min(Comparator.comparingLong(MemoryPlan::left)).orElse(null);
    }

    /** The memory plan of every device; empty before the weights are loaded. */
    public List<MemoryPlan> memoryPlans() {
        return memory;
    }

    /** The division of the devices among copies of the model. */
    public Placement placement() {
        return placement;
    }

    /**
     * The devices of the ranks, with one line per copy: {@code copy 1: rank 2 on cuda:2, rank 3 on cuda:3}. The lines
     * also say which devices have no peer access. The list is empty if there is only one rank.
     */
    public List<String> topology() {
        return new Devices(backend, options).topology(placement);
    }

    /** Encodes a conversation up to the start of the assistant's next turn. */
    public int[] encode(List<Message> messages) {
        return template().encode(tokenizer(), messages, true);
    }

    public Tokenizer tokenizer() {
        if (tokenizer == null) {
            tokenizer = own(Tokenizers.open(options.model()));
        }
        return tokenizer;
    }

    /** The chat template of the folder, for sampling, training and evaluation. */
    public ChatTemplate template() {
        if (template == null) {
            template = ChatTemplate.open(options.model(), tokenizer(), options.enableThinking());
        }
        return template;
    }

    /** All values on which a result depends, other than the run's settings and the model; see {@link Fingerprint}. */
    public SortedMap<String, String> fingerprint() {
        return Fingerprint.of(options, backend, context());
    }

    /** The values of {@link #fingerprint} and the hashes of the model's files. */
    public SortedMap<String, String> modelFingerprint() {
        SortedMap<String, String> all = fingerprint();
        Digest.model(options.model()).forEach((file, hash) -> all.put("model " + file, hash));
        return all;
    }

    public ModelOptions options() {
        return options;
    }

    public Blueprint blueprint() {
        return blueprint;
    }

    public Precision precision() {
        return precision;
    }

    /**
     * The context of the first rank. If there are several ranks, callers may only read the constant properties of this
     * context.
     */
    public Context context() {
        return copies.getFirst().contexts().getFirst();
    }

    @Override
    public void close() {
        SortedMap<String, Long> fallbacks = new TreeMap<>();
        for (ModelCopy copy : copies) {
            if (!copy.ranks().hasFailed()) {
                copy.ranks().run(rank -> copy.contexts().get(rank).fallbacks())
                        .forEach(calls -> calls.forEach((what, count) -> fallbacks.merge(what, count, Long::sum)));
            }
        }
        if (!fallbacks.isEmpty()) {
            listener.fellBack(fallbacks);
        }
        RuntimeException failed = new IllegalStateException("cannot close " + options.model());
        closeAll(opened, failed);
        if (failed.getSuppressed().length > 0) {
            throw failed;
        }
    }

    /**
     * Closes all resources in reverse order. Adds their exceptions to {@code failed} as suppressed exceptions.
     */
    private static void closeAll(List<AutoCloseable> opened, RuntimeException failed) {
        for (AutoCloseable resource : opened.reversed()) {
            try {
                resource.close();
            } catch (Exception e) {
                failed.addSuppressed(e);
            }
        }
    }
}
