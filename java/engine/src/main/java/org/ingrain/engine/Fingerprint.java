package org.ingrain.engine;

import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.files.Digest;
import org.ingrain.workbench.KernelFile;

/**
 * The values on which a result depends in addition to the settings of the run: backend, kernels, instruction set,
 * dtypes and version.
 */
public final class Fingerprint {
    private Fingerprint() {
    }

    /**
     * Returns a map from the name of each value to the value. The map does not contain the hashes of the model's files.
     * The map does not contain the number of threads either, because this number does not change a result.
     */
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

    /** The version that the build wrote into the jar, or "unpackaged" outside a jar. */
    public static String version() {
        String version = Fingerprint.class.getPackage().getImplementationVersion();
        return version == null ? "unpackaged" : version;
    }
}
