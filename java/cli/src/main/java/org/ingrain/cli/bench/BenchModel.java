package org.ingrain.cli.bench;

import org.ingrain.engine.Engine;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;

/** The measured model, with its name and size for the table. */
record BenchModel(Engine engine) {
    String name() {
        String name = String.valueOf(engine.options().model().toAbsolutePath().normalize().getFileName());
        if (!engine.options().randomWeights()) {
            return name;
        }
        int layers = engine.blueprint().numHiddenLayers();
        String cut = engine.options().layers() == 0 ? "" : ", the first " + layers + " layers";
        return name.replaceFirst("\\.json$", "") + " (random" + cut + ")";
    }

    /** Number of parameters. An output head that shares the weights of the embedding is not counted again. */
    long parameters() {
        return engine.blueprint().parameters().elements();
    }

    /** Size of the parameters on one rank of one copy, in bytes, as they are stored on the device. */
    long bytes() {
        return Allocator.bytes(engine.context(), memory ->
                new Weights(memory, engine.blueprint(), engine.precision(), Rank.SINGLE));
    }
}
