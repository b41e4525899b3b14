package org.ingrain.engine;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Blueprint;
import org.ingrain.model.MemoryPlan;
import org.ingrain.model.Precision;
import org.ingrain.model.Weights;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.ingrain.workbench.Workbench;

/**
 * A model that has no weights yet: a folder's config.json and tokenizer, and weights on a device for training to fill.
 *
 * @param folder    config.json, generation_config.json and the tokenizer's files
 * @param weights   random
 */
public record FreshModel(Path folder, Tokenizer tokenizer, Backend backend, Context context, Weights weights) implements AutoCloseable {
    private static final long SEED = 1;

    /**
     * Opens, plans, refuses or makes; an InputException has one line.
     *
     * @param planned is told the memory plan's line
     */
    public static FreshModel open(ModelOptions options, LoadedModel.Needs needs, Consumer<String> planned) {
        Blueprint config = ModelFolder.readConfig(options.model());
        Tokenizer tokenizer = Tokenizers.open(options.model());
        Backend backend = Workbench.open(NativeLibraries.find(options.backend()), options.kernels());
        Context context = backend.context(options.context());
        context.setDeterministic(options.deterministic());
        Precision precision = options.precision(config.dtype());
        MemoryPlan plan = MemoryPlan.of(context, config, precision, needs.parts(context, config, precision));
        try {
            plan.require(options.model().toString(), context.memoryInfo().free());
            planned.accept(plan.line(context.memoryInfo().free()));
            return new FreshModel(options.model(), tokenizer, backend, context, Weights.random(context, config, precision, SEED));
        } catch (RuntimeException e) {
            context.close();
            backend.close();
            tokenizer.close();
            throw e;
        }
    }

    @Override
    public void close() {
        context.close();
        backend.close();
        tokenizer.close();
    }
}
