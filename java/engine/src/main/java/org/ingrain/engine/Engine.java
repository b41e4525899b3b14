package org.ingrain.engine;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.function.Supplier;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.Digest;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.ingrain.train.Trainer;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.run.TrainingRun;
import org.ingrain.workbench.Workbench;

/**
 * A model on a device: the door of the engine. {@link #open} reads the configuration and opens the device, which is
 * quick. The weights are loaded when the first generator or trainer is made, after the memory of both has been planned;
 * all generators and trainers share them. Closing releases everything; close trainers first. Used by one thread at a
 * time.
 */
public final class Engine implements AutoCloseable {
    private static final int CONTEXT = 4096;
    private static final int SEQUENCES = 32;
    private static final int CPU_BATCH = 512;
    private static final int GPU_BATCH = 2048;
    private static final long RANDOM_SEED = 1;

    private final ModelOptions options;
    private final Listener listener;
    private final List<AutoCloseable> opened;
    private final Blueprint blueprint;
    /** Null if the weights are random. */
    private final ModelFolder folder;
    private final Backend backend;
    private final Context context;
    private final Precision precision;
    private Tokenizer tokenizer;
    private ChatTemplate template;
    private Weights weights;
    private MemoryPlan memory;

    /** Hears how the load goes, on the thread that loads. */
    public interface Listener {
        /** What will be loaded and allocated, before it is. */
        default void planned(MemoryPlan plan) {
        }

        /** Before the plan, where the context is shorter than the model's positions: at what, and why. */
        default void capped(String limit) {
        }

        default void loaded(int layers, int of) {
        }

        /** As the engine closes, unless there are none: the calls that a slower kernel computed, by op and sizes. */
        default void fellBack(SortedMap<String, Long> calls) {
        }
    }

    private Engine(ModelOptions options, Listener listener, List<AutoCloseable> opened) {
        this.options = options;
        this.listener = listener;
        this.opened = opened;
        folder = options.randomWeights() ? null : own(ModelFolder.open(options.model()));
        blueprint = folder == null ? blueprint(options) : folder.config();
        backend = own(Workbench.open(NativeLibraries.find(options.backend()), options.kernels()));
        context = own(backend.context(options.context()));
        context.setDeterministic(options.deterministic());
        DType stored = folder == null ? blueprint.dtype() : folder.tensor("model.embed_tokens.weight").dtype();
        precision = options.precision(stored);
        if (options.enableThinking().isPresent()) {
            template();   // one without the switch is refused before the weights are loaded
        }
    }

    /** The configuration of a folder or of a config.json under any name, cut to the layers that are wanted. */
    private static Blueprint blueprint(ModelOptions options) {
        Path model = options.model();
        if (!Files.exists(model)) {
            throw InputException.field("model", model + ": no such folder or config file");
        }
        Blueprint whole = Files.isDirectory(model) ? ModelFolder.readConfig(model) : BlueprintReader.read(model);
        return options.layers() == 0 ? whole : whole.withLayers(Math.min(options.layers(), whole.numHiddenLayers()));
    }

    /** Opens a model that nobody listens to. */
    public static Engine open(ModelOptions options) {
        return open(options, new Listener() { });
    }

    /** Opens a model; an InputException has one line, and then nothing stays open. */
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

    /** A generator of the base model. */
    public Generator generator(GeneratorConfig config) {
        return generator(config, 0, 0);
    }

    /** A generator with room for {@code slots} adapters of rank up to {@code rank}; see {@link AdapterSlots}. */
    public Generator generator(GeneratorConfig config, int slots, int rank) {
        Tokenizer text = tokenizer();   // an unreadable one is refused before the weights are loaded
        List<MemoryPlan.Part> parts = new ArrayList<>(List.of(room(config)));
        int tokens = config.maxBatchTokens();
        if (slots > 0) {
            parts.add(new MemoryPlan.Part("adapter", Allocator.bytes(context,
                    counter -> new AdapterBank(counter, blueprint, slots, rank, tokens))));
        }
        Weights loaded = weights(parts);
        AdapterBank adapters = slots == 0 ? null : new AdapterBank(context, blueprint, slots, rank, tokens);
        return new Generator(loaded, adapters, config, () -> text.streamingDecoder(true), text.eosIds());
    }

    /** A generator of the base model without end-of-sequence ids: for a model that has no tokenizer. */
    public Generator generator(GeneratorConfig config, Supplier<StreamingDecoder> decoders) {
        return new Generator(weights(List.of(room(config))), null, config, decoders, List.of());
    }

    private MemoryPlan.Part room(GeneratorConfig config) {
        return new MemoryPlan.Part("cache and workspace", Generator.bytes(context, blueprint, precision, config));
    }

    /** Default sizes: the model's context up to 4096 tokens, 32 sequences, steps of 512 tokens (2048 on a GPU). */
    public GeneratorConfig defaults() {
        int contextLength = Math.min(blueprint.maxContextLength(), CONTEXT);
        return GeneratorConfig.of(contextLength, SEQUENCES, options.backend().equals("cpu") ? CPU_BATCH : GPU_BATCH);
    }

    /**
     * A trainer of an adapter beside the frozen weights.
     *
     * @param from the adapter that training begins with, of the same rank, scaling and targets; empty for a new one
     */
    public Trainer trainer(LoraConfig lora, List<LoraModule> from, TrainingRun run) {
        Weights loaded = weights(List.of(room(lora, run)));
        return Trainer.lora(loaded, lora, options.model().toString(), from, run);
    }

    /** A trainer of all weights: of the folder's, or of a new model if they are random. */
    public Trainer trainer(TrainingRun run) {
        long bytes = Trainer.memory(run).fullBytes(planned());
        Weights loaded = weights(List.of(new MemoryPlan.Part("training", bytes)));
        return folder == null ? Trainer.fresh(loaded, options.model(), run)
                : Trainer.full(loaded, folder, run);
    }

    /** What training an adapter takes on the device beside the weights, at the least. */
    public MemoryPlan.Part room(LoraConfig lora, TrainingRun run) {
        long bytes = Trainer.memory(run).loraBytes(planned(), lora);
        return new MemoryPlan.Part("training", bytes);
    }

    /** The weights, or their shapes where they are not loaded. */
    private Weights planned() {
        return weights != null ? weights : new Weights(
                new Allocator.Counter(context), blueprint, precision, Rank.SINGLE);
    }

    /** The weights, after a plan of what will be allocated beside them. */
    private Weights weights(List<MemoryPlan.Part> beside) {
        long free = context.memoryInfo().free();
        if (weights != null) {
            new MemoryPlan(free, beside).require(options.model().toString());
            return weights;
        }
        List<MemoryPlan.Part> parts = new ArrayList<>(beside);
        long bytes = Allocator.bytes(context, counter -> new Weights(counter, blueprint, precision, Rank.SINGLE));
        parts.addFirst(new MemoryPlan.Part("weights", bytes));
        long driverBytes = context.device().driverBytes();
        if (driverBytes > 0) {
            parts.add(new MemoryPlan.Part("driver", driverBytes));
        }
        MemoryPlan plan = new MemoryPlan(free, parts);
        plan.require(options.model().toString());
        memory = plan;
        if (blueprint.maxContextLength() < blueprint.maxPositionEmbeddings()) {
            listener.capped(blueprint.contextLimit());
        }
        listener.planned(plan);
        weights = folder == null ? Weights.random(context, blueprint, precision, RANDOM_SEED)
                : Weights.load(context, blueprint, precision, Rank.SINGLE, folder, listener::loaded);
        return weights;
    }

    /** The plan that the weights were loaded with: weights, and the first generator or trainer. Null before that. */
    public MemoryPlan memory() {
        return memory;
    }

    /** Ids of a conversation up to where the assistant speaks. */
    public int[] encode(List<Message> messages) {
        return template().encode(tokenizer(), messages, true);
    }

    public Tokenizer tokenizer() {
        if (tokenizer == null) {
            tokenizer = own(Tokenizers.open(options.model()));
        }
        return tokenizer;
    }

    /** The folder's one template, for sampling, training and evaluation. */
    public ChatTemplate template() {
        if (template == null) {
            template = ChatTemplate.open(options.model(), tokenizer(), options.enableThinking());
        }
        return template;
    }

    /** What a result depends on beside its settings and the model; see {@link Fingerprint}. */
    public SortedMap<String, String> fingerprint() {
        return Fingerprint.of(options, backend, context);
    }

    /** The same and the model's files. */
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

    public Context context() {
        return context;
    }

    @Override
    public void close() {
        if (!context.fallbacks().isEmpty()) {
            listener.fellBack(context.fallbacks());
        }
        RuntimeException failed = new IllegalStateException("cannot close " + options.model());
        closeAll(opened, failed);
        if (failed.getSuppressed().length > 0) {
            throw failed;
        }
    }

    /** Closes the last first, and all whatever fails. */
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
