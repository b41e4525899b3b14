package org.ingrain.cli;

import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.distill.Provenance;
import org.ingrain.engine.ModelOptions;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.Digest;
import org.ingrain.workbench.KernelFile;

/** What a result depends on beside its settings: model, backend, the user's kernels, instruction set, types, version. Not the number of threads. */
final class Provenances {
    private Provenances() {
    }

    static SortedMap<String, String> of(ModelOptions options) {
        ModelFolder.readConfig(options.model());
        SortedMap<String, String> engine = engine(options);
        Digest.model(options.model()).forEach((file, hash) -> engine.put("model " + file, hash));
        return engine;
    }

    /** All of it but the model. */
    static SortedMap<String, String> engine(ModelOptions options) {
        SortedMap<String, String> engine = new TreeMap<>();
        try (Backend backend = Backend.open(NativeLibraries.find(options.backend()));
                Context context = backend.context(new ContextOptions(options.context().device(), 1, options.isa()))) {
            engine.put("backend", options.backend());
            engine.put("kernels", Digest.file(backend.library()));
            engine.put("isa", DevicesCommand.isa(context));
        }
        for (KernelFile kernel : options.kernels()) {
            kernel.contents().forEach(file -> engine.put("kernel " + kernel.op() + " " + file.getFileName(), Digest.file(file)));
        }
        engine.put("dtype", options.dtype());
        engine.put("cache dtype", options.cacheDtype());
        if (options.deterministic()) {
            engine.put("deterministic", "true");
        }
        engine.put("version", version());
        return engine;
    }

    /** The same and the longest text of a prompt and its completion. */
    static SortedMap<String, String> sampling(ModelOptions options, BatchFlags batch) {
        SortedMap<String, String> engine = engine(options);
        engine.put("context", String.valueOf(batch.contextLength(options)));
        return engine;
    }

    static Provenance distillation(ModelOptions options, BatchFlags batch) {
        return new Provenance(version(), options.model(), sampling(options, batch));
    }

    static String version() {
        String version = Main.class.getPackage().getImplementationVersion();
        return version == null ? "unpackaged" : version;
    }
}
