package org.ingrain.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.progress.Fallbacks;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.ProgressDisplay;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineTuner;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.engine.LoadedModel;
import org.ingrain.engine.ModelOptions;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.MemoryPlan;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.Tokenizer;

/** A model that answers: loaded, with a generator and perhaps room for an adapter. */
final class Session implements AutoCloseable {
    private final LoadedModel model;
    private final AdapterBank adapters;
    private final Generator generator;
    private final ChatTemplate template;
    private final Room room;

    /**
     * What the load was planned with.
     *
     * @param parts of what is taken, the weights first
     * @param free  bytes on the device before anything was loaded
     */
    record Room(List<MemoryPlan.Part> parts, long free) {
    }

    private Session(LoadedModel model, GeneratorConfig config, int adapterRank, Room room) {
        this.model = model;
        this.room = room;
        template = ChatTemplate.open(model.folder().path(), model.tokenizer());
        adapters = adapterRank == 0 ? null : new AdapterBank(model.context(), model.config(), 1, adapterRank, config.maxBatchTokens());
        generator = new Generator(model.context(), model.weights(), adapters, config, () -> model.tokenizer().streamingDecoder(true),
                model.tokenizer().eosIds());
    }

    /** Loads a model with room for an adapter of this rank, 0 for none. */
    static Session open(ModelOptions options, BatchFlags batch, int adapterRank) {
        GeneratorConfig config = batch.config(options);
        List<Room> planned = new ArrayList<>();
        LoadedModel model = LoadedModel.open(options, (context, c, precision) -> {
            List<MemoryPlan.Part> parts = new ArrayList<>();
            parts.add(new MemoryPlan.Part("cache and workspace", Generator.bytes(context, c, precision, config)));
            if (adapterRank > 0) {
                parts.add(new MemoryPlan.Part("adapter", Allocator.bytes(context,
                        memory -> new AdapterBank(memory, c, 1, adapterRank, config.maxBatchTokens()))));
            }
            planned.add(new Room(MemoryPlan.of(context, c, precision, parts).parts(), context.memoryInfo().free()));
            return parts;
        }, new LoadProgress(options.model()));
        try {
            return new Session(model, config, adapterRank, planned.getFirst());
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** Loads a model and, unless it is null, the adapter in a folder, which then answers. */
    static Session open(ModelOptions options, BatchFlags batch, Path adapterFolder) {
        List<LoraModule> adapter = adapterFolder == null ? List.of() : adapter(adapterFolder, ModelFolder.readConfig(options.model()));
        Session session = open(options, batch, rank(adapter));
        if (adapterFolder != null) {
            session.generator.loadAdapter(0, adapter);
        }
        return session;
    }

    /** An adapter's modules; one that replaces whole modules cannot share a batch with its base and is refused. */
    static List<LoraModule> adapter(Path folder, Blueprint config) {
        PeftAdapter adapter = PeftAdapter.read(folder, config);
        if (!adapter.savedModules().isEmpty()) {
            throw new InputException(folder + ": modules_to_save " + adapter.savedModules().keySet()
                    + " cannot be applied while sampling, expected LoRA modules alone; merge it first");
        }
        return adapter.modules();
    }

    /** The largest rank of an adapter's modules. */
    static int rank(List<LoraModule> adapter) {
        return adapter.stream().mapToInt(LoraModule::rank).max().orElse(0);
    }

    /** What a distillation or an evaluation asks. */
    EngineAnswerer answerer() {
        return new EngineAnswerer(generator, model.tokenizer(), template, folder -> adapter(folder, model.config()),
                adapters == null ? 0 : adapters.slots());
    }

    /** What a distillation trains with. */
    EngineTuner tuner(TunerConfig config, SortedMap<String, String> provenance) {
        return new EngineTuner(model, template, config, provenance);
    }

    Room room() {
        return room;
    }

    Tokenizer tokenizer() {
        return model.tokenizer();
    }

    Generator generator() {
        return generator;
    }

    /** -1 where there is no adapter. */
    int adapterSlot() {
        return adapters == null ? -1 : 0;
    }

    /** Ids of a conversation up to where the assistant speaks. */
    int[] chat(List<Message> messages) {
        return template.encode(model.tokenizer(), messages, true);
    }

    /** Runs requests to their ends behind a progress bar; completions in the order of requests, then of samples. */
    List<List<Completion>> generateAll(List<Request> requests) {
        long of = requests.stream().mapToLong(Request::samples).sum();
        long[] done = {0};
        List<List<Completion>> results = new ArrayList<>();
        try (ProgressDisplay progress = new ProgressDisplay("generate", "samples", 0, of)) {
            for (Request request : requests) {
                Completion[] completions = new Completion[request.samples()];
                results.add(Arrays.asList(completions));
                generator.submit(request, completion -> {
                    completions[completion.sample() - request.firstSample()] = completion;
                    progress.at(++done[0]);
                });
            }
            while (generator.step()) {
                continue;
            }
        }
        return results;
    }

    @Override
    public void close() {
        Fallbacks.warn(model.context());
        model.close();
    }
}
