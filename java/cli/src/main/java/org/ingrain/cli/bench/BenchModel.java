package org.ingrain.cli.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.cli.progress.Fallbacks;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.engine.LoadedModel;
import org.ingrain.engine.ModelOptions;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Blueprint;
import org.ingrain.model.MemoryPlan;
import org.ingrain.model.Precision;
import org.ingrain.model.Weights;
import org.ingrain.tensor.InputException;
import org.ingrain.workbench.Workbench;

/**
 * The model under measurement.
 *
 * @param name    for the table
 * @param context that computes
 * @param weights real or random
 * @param owner   of everything
 */
record BenchModel(String name, Context context, Weights weights, AutoCloseable owner) implements AutoCloseable {
    /** Real weights of a folder. */
    static BenchModel load(ModelOptions options, LoadedModel.Needs needs) {
        LoadedModel model = LoadedModel.open(options, needs, new LoadProgress(options.model()));
        return new BenchModel(String.valueOf(options.model().toAbsolutePath().normalize().getFileName()), model.context(), model.weights(), model);
    }

    /**
     * Random weights of a config.json's shape, made on the device.
     *
     * @param layers of which only the first so many, or null for all
     */
    static BenchModel random(ModelOptions options, Integer layers, LoadedModel.Needs needs) {
        Blueprint whole = config(options.model());
        Blueprint config = layers == null ? whole : whole.withLayers(Math.min(layers, whole.numHiddenLayers()));
        Backend backend = Workbench.open(NativeLibraries.find(options.backend()), options.kernels());
        Context context = backend.context(options.context());
        context.setDeterministic(options.deterministic());
        Precision precision = options.precision(config.dtype());
        MemoryPlan plan = MemoryPlan.of(context, config, precision, needs.parts(context, config, precision));
        plan.require(options.model().toString(), context.memoryInfo().free());
        System.err.println(options.model().getFileName() + ": " + plan.line(context.memoryInfo().free()));
        Weights weights = Weights.random(context, config, precision, 1);
        String cut = config.equals(whole) ? "" : ", " + config.numHiddenLayers() + " of " + whole.numHiddenLayers() + " layers";
        String name = options.model().getFileName().toString().replaceFirst("\\.json$", "") + " (random" + cut + ")";
        return new BenchModel(name, context, weights, () -> {
            context.close();
            backend.close();
        });
    }

    /** The configuration of a folder or of a config.json under any name. */
    static Blueprint config(Path model) {
        if (Files.isDirectory(model)) {
            return ModelFolder.readConfig(model);
        }
        if (!Files.isRegularFile(model)) {
            throw new InputException("--model: " + model + ": no such folder or config file");
        }
        return BlueprintReader.read(model);
    }

    /** Parameters counted once where the head is tied. */
    long parameters() {
        return weights.parameters().elements();
    }

    @Override
    public void close() throws Exception {
        Fallbacks.warn(context);
        owner.close();
    }
}
