package org.ingrain.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.checkpoint.LoadedModel;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.ModelOptions;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LlamaConfig;
import org.ingrain.model.MemoryPlan;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.tokenizer.ChatTemplate;
import org.ingrain.tokenizer.Message;
import org.ingrain.tokenizer.Tokenizer;

/** A model that answers: loaded, with a generator and perhaps an adapter. */
final class Session implements AutoCloseable {
    private final LoadedModel model;
    private final AdapterBank adapters;
    private final Generator generator;
    private final ChatTemplate template;

    private Session(LoadedModel model, GeneratorConfig config, PeftAdapter adapter) {
        this.model = model;
        template = ChatTemplate.open(model.folder().path());
        adapters = adapter == null ? null : new AdapterBank(model.context(), model.config(), 1, adapter.maxRank(), config.maxBatchTokens());
        generator = new Generator(model.context(), model.weights(), adapters, config, () -> model.tokenizer().streamingDecoder(true),
                model.tokenizer().eosIds());
        if (adapter != null) {
            generator.loadAdapter(0, adapter.modules());
        }
    }

    /** Loads a model, and the adapter in a folder unless that is null. */
    static Session open(ModelOptions options, BatchFlags batch, Path adapterFolder) {
        LlamaConfig config = ModelFolder.readConfig(options.model());
        GeneratorConfig generator = batch.config(config);
        PeftAdapter adapter = adapterFolder == null ? null : PeftAdapter.read(adapterFolder, config);
        LoadedModel model = LoadedModel.open(options, (context, c, precision) -> {
            List<MemoryPlan.Part> parts = new ArrayList<>();
            parts.add(new MemoryPlan.Part("cache and workspace", Generator.bytes(context, c, precision, generator)));
            if (adapter != null) {
                parts.add(new MemoryPlan.Part("adapter", AdapterBank.bytes(c, 1, adapter.maxRank(), generator.maxBatchTokens())));
            }
            return parts;
        }, new LoadProgress(options.model()));
        return new Session(model, generator, adapter);
    }

    Tokenizer tokenizer() {
        return model.tokenizer();
    }

    Generator generator() {
        return generator;
    }

    /** -1 where no adapter is loaded. */
    int adapterSlot() {
        return adapters == null ? -1 : 0;
    }

    /** Ids of a conversation up to where the assistant speaks. */
    int[] chat(List<Message> messages) {
        return template.encode(model.tokenizer(), messages);
    }

    /** Runs requests to their ends behind a progress bar; completions in the order of requests, then of samples. */
    List<List<Completion>> generateAll(List<Request> requests) {
        long of = requests.stream().mapToLong(Request::samples).sum();
        long[] done = {0};
        List<List<Completion>> results = new ArrayList<>();
        try (Progress progress = new Progress("generate", "samples", 0, of)) {
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
        model.close();
    }
}
