package org.ingrain.cli.flags;

import java.nio.file.Path;
import org.ingrain.engine.ModelOptions;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.CublasLt;
import picocli.CommandLine.Option;

/** The device that computes. */
@Heading.Under(Heading.DEVICE)
public final class DeviceFlags {
    @Option(names = "--device", defaultValue = "cpu", paramLabel = "NAME",
            description = "Device: cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}).")
    String device;

    @Option(names = "--threads", defaultValue = "0", paramLabel = "N",
            description = "CPU threads; 0 means all cores (default: ${DEFAULT-VALUE}).")
    int threads;

    @Option(names = "--isa", defaultValue = "auto", paramLabel = "NAME",
            description = "CPU instruction set: auto, avx2, avx512 or avx512_bf16 (default: ${DEFAULT-VALUE}).")
    public String isa;

    @Option(names = "--cublaslt", paramLabel = "FILE", description = "libcublasLt.so.13 or .12 for GPUs (default: "
            + "searched in the loader's path, CUDA_HOME, the CUDA toolkit and Python wheels).")
    private Path cublasLt;

    /** The backend's name: the device without its number. */
    public String backend() {
        return device.split(":")[0];
    }

    public ContextOptions context() {
        return options(Path.of(""), "auto").context();
    }

    /** Loads the library that {@code --cublaslt} names. */
    void loadLibraries() {
        if (cublasLt != null) {
            CublasLt.load(cublasLt);
        }
    }

    /** Options of a model on this device, with weights of this type. */
    public ModelOptions options(Path model, String dtype) {
        loadLibraries();
        return ModelOptions.of(model).withDevice(device).withThreads(threads).withIsa(isa).withDtype(dtype);
    }
}
