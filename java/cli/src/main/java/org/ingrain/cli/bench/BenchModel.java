package org.ingrain.cli.bench;

import org.ingrain.engine.Engine;

/** The measured model, with its name in the table. */
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

    /** Number of parameters. A head tied to the embedding counts once. */
    long parameters() {
        return engine.blueprint().parameters().elements();
    }

    /** Size of the parameters in bytes, all in the type of the matrices. */
    long bytes() {
        return parameters() * engine.precision().weights().bytes();
    }
}
