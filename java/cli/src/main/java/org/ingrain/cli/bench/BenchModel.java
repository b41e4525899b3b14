package org.ingrain.cli.bench;

import org.ingrain.engine.Engine;

/** The model under measurement, as the table names it. */
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

    /** Parameters counted once where the head is tied. */
    long parameters() {
        return engine.blueprint().parameters().elements();
    }

    /** Bytes of the parameters in the type of the matrices. */
    long bytes() {
        return parameters() * engine.precision().weights().bytes();
    }
}
