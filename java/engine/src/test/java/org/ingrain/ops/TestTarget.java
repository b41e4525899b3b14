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
import org.ingrain.tensor.Weight;

/**
 * A backend, instruction set and thread count on which the parity tests run.
 *
 * @param name    name of the target in the display names of tests
 * @param library library with the ops to test
 * @param trusted library whose ops prepare inputs such as packed weights or a filled cache; usually {@code library}
 * @param options options of the context
 */
record TestTarget(String name, Path library, Path trusted, ContextOptions options) {
    private static final List<String> CPU_ISAS = List.of("avx2", "avx512", "avx512_bf16", "amx");
    private static final List<TestTarget> AVAILABLE = find();

    /** All targets that this machine can run. */
    static List<TestTarget> available() {
        return AVAILABLE;
    }

    /** The library in which every op is slightly wrong. The CPU backend prepares the inputs for these ops. */
    static TestTarget spoiled() {
        return new TestTarget("wrong", NativeLibraries.find("wrong"), NativeLibraries.find("cpu"),
                new ContextOptions(0, 1, "avx2"));
    }

    /** A copy of this target with another number of threads. */
    TestTarget withThreads(int threads) {
        return new TestTarget(name + " with " + threads, library, trusted,
                new ContextOptions(options.device(), threads, options.isa()));
    }

    /** Whether this is the CUDA backend, on a real or an emulated GPU. */
    boolean gpu() {
        return name.startsWith("simt") || name.startsWith("cuda");
    }

    /** Whether this is the CUDA backend on an emulated GPU, where tests use fewer or smaller cases. */
    boolean emulated() {
        return name.startsWith("simt");
    }

    /**
     * The layouts of a weight to test. For a GPU, only one layout is tested, because a GPU stores both layouts in the
     * same way.
     */
    List<Weight.Layout> layouts() {
        return gpu() ? List.of(Weight.Layout.ROW_MAJOR) : List.of(Weight.Layout.values());
    }

    /** Whether a product of activations of dtype x and weights of dtype w rounds the activations to bf16. */
    boolean rounds(DType x, DType w) {
        return bf16Products() && x == DType.F32 && w == DType.BF16;
    }

    /** Whether this is the CPU backend with an instruction set that multiplies bf16 values. */
    boolean bf16Products() {
        return List.of("avx512_bf16", "amx").contains(options.isa());
    }

    boolean wrong() {
        return !library.equals(trusted);
    }

    /** Opens a check that needs no references. */
    ParityCheck open() {
        return open("unnamed");
    }

    /** Opens a check; references are recorded under its name. */
    ParityCheck open(String check) {
        return new ParityCheck(this, check);
    }

    @Override
    public String toString() {
        return name;
    }

    /**
     * The backends in the system property {@code ingrain.targets}, separated by commas; all backends if the property is
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
            // never closed, so that the library and the CUDA runtime stay loaded
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
