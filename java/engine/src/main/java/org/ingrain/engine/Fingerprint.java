package org.ingrain.engine;

import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.files.Digest;
import org.ingrain.workbench.KernelFile;

/** What a result depends on beside its settings, by name: backend, kernels, instruction set, types, version. */
public final class Fingerprint {
    private Fingerprint() {
    }

    /** All of it but the model; the number of threads is no part of it. */
    public static SortedMap<String, String> of(ModelOptions options, Backend backend, Context context) {
        SortedMap<String, String> engine = new TreeMap<>();
        engine.put("backend", options.backend());
        engine.put("kernels", Digest.file(backend.library()));
        engine.put("isa", context.device().isa());
        for (KernelFile kernel : options.kernels()) {
            String name = "kernel " + kernel.op() + " ";
            kernel.contents().forEach(file -> engine.put(name + file.getFileName(), Digest.file(file)));
        }
        engine.put("dtype", options.dtype());
        engine.put("cache dtype", options.cacheDtype());
        if (options.deterministic()) {
            engine.put("deterministic", "true");
        }
        options.enableThinking().ifPresent(on -> engine.put("enable thinking", on.toString()));
        engine.put("version", version());
        return engine;
    }

    /** The version that the build wrote into the jar. */
    public static String version() {
        String version = Fingerprint.class.getPackage().getImplementationVersion();
        return version == null ? "unpackaged" : version;
    }
}
