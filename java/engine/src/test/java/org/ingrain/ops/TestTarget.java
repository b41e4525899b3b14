package org.ingrain.ops;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * A backend, instruction set and thread count that every parity test runs on.
 *
 * @param name    as the test's name shows it
 * @param library whose ops are tested
 * @param trusted whose ops prepare what a test needs beside the op it is about (packed weights, a filled cache); mostly
 *                the same
 * @param options of the context
 */
record TestTarget(String name, Path library, Path trusted, ContextOptions options) {
    private static final List<String> CPU_ISAS = List.of("avx2", "avx512", "avx512_bf16");
    private static final List<TestTarget> AVAILABLE = find();

    /** Everything that this machine can run. */
    static List<TestTarget> available() {
        return AVAILABLE;
    }

    /** The library whose every op is a little wrong, on the memory and with the preparation of the right one. */
    static TestTarget spoiled() {
        return new TestTarget("wrong", NativeLibraries.find("wrong"), NativeLibraries.find("cpu"),
                new ContextOptions(0, 1, "avx2"));
    }

    /** The same with another number of threads. */
    TestTarget withThreads(int threads) {
        return new TestTarget(name + " with " + threads, library, trusted,
                new ContextOptions(options.device(), threads, options.isa()));
    }

    /** Whether the CUDA sources run, on a GPU or emulated. */
    boolean gpu() {
        return name.startsWith("simt") || name.startsWith("cuda");
    }

    /** Whether a product of such activations and weights rounds the activations to bf16 first. */
    boolean rounds(DType x, DType w) {
        return options.isa().equals("avx512_bf16") && x == DType.F32 && w == DType.BF16;
    }

    boolean wrong() {
        return !library.equals(trusted);
    }

    /** A bench for what asks for no references. */
    ParityCheck open() {
        return open("unnamed");
    }

    /** A bench for this check, by whose name references are recorded. */
    ParityCheck open(String check) {
        return new ParityCheck(this, check);
    }

    @Override
    public String toString() {
        return name;
    }

    /**
     * System property {@code ingrain.targets} names the backends to test, comma between them: all of them where it is
     * not set.
     */
    private static List<TestTarget> find() {
        List<String> backends = List.of(System.getProperty("ingrain.targets", "cpu,simt,cuda").split(","));
        List<TestTarget> found = new ArrayList<>();
        for (String isa : backends.contains("cpu") ? CPU_ISAS : List.<String>of()) {
            for (int threads = 1; threads <= 2; threads++) {
                addWhereItOpens(found, "cpu", new ContextOptions(0, threads, isa));
            }
        }
        for (String order : backends.contains("simt") ? List.of("ascending", "descending") : List.<String>of()) {
            addWhereItOpens(found, "simt", new ContextOptions(0, 1, order));
        }
        if (backends.contains("cuda")) {
            addWhereItOpens(found, "cuda", new ContextOptions(0, 1, "auto"));
        }
        return List.copyOf(found);
    }

    private static void addWhereItOpens(List<TestTarget> found, String backend, ContextOptions options) {
        String name = backend + " " + options.isa() + " " + options.threads()
                + (options.threads() == 1 ? " thread" : " threads");
        try {
            // never closed: its library, CUDA runtime and all, stays mapped
            Backend trial = Backend.open(NativeLibraries.find(backend));
            try (Context context = trial.context(options)) {
                context.synchronize();
            }
            found.add(new TestTarget(name, trial.library(), trial.library(), options));
        } catch (InputException e) {
            System.out.println("Skipped: " + name + ": " + e.getMessage());
        }
    }
}
