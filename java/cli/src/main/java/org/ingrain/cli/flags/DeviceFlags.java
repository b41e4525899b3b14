package org.ingrain.cli.flags;

import java.nio.file.Path;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.ParallelConfig;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.CudaLibrary;
import picocli.CommandLine.Option;

/** Flags for the device that computes. */
@Heading.Under(Heading.DEVICE)
public final class DeviceFlags {
    @Option(names = "--device", defaultValue = "cpu", paramLabel = "NAME",
            description = "Device: cpu, cuda, cuda:N or a list such as cuda:0,1,2,3 (default: ${DEFAULT-VALUE}).")
    String device;

    @Option(names = "--tensor-parallel-size", defaultValue = "0", paramLabel = "N",
            description = "Devices that share each copy of the model: 1, 2, 4 or 8 (default: the smallest "
            + "number that has enough memory).")
    private int tensorParallelSize;

    @Option(names = "--data-parallel-size", defaultValue = "0", paramLabel = "N",
            description = "Copies of the model, which answer requests at the same time and share the micro-batches of "
            + "a training step (default: as many as the devices of --device allow).")
    private int dataParallelSize;

    @Option(names = "--threads", defaultValue = "0", paramLabel = "N",
            description = "CPU threads, divided among the ranks; 0 means all cores (default: ${DEFAULT-VALUE}).")
    int threads;

    @Option(names = "--isa", defaultValue = "auto", paramLabel = "NAME",
            description = "CPU instruction set: auto, avx2, avx512, avx512_bf16 or amx (default: ${DEFAULT-VALUE}).")
    public String isa;

    @Option(names = "--cublaslt", paramLabel = "FILE", description = "libcublasLt.so.13 or .12 for GPUs (default: "
            + "searched in the loader's path, CUDA_HOME, the CUDA toolkit and Python wheels).")
    private Path cublasLt;

    @Option(names = "--nccl", paramLabel = "FILE", description = "libnccl.so.2 for several GPUs (default: searched "
            + "like --cublaslt).")
    private Path nccl;

    /** The name of the backend, which is the device's name without the device number. */
    public String backend() {
        return device.split(":")[0];
    }

    public ContextOptions context() {
        return options(Path.of(""), "auto").context();
    }

    /** The number of ranks per copy of the model, and the number of copies. */
    ParallelConfig parallel() {
        return new ParallelConfig(tensorParallelSize, dataParallelSize);
    }

    /** Loads the libraries that {@code --cublaslt} and {@code --nccl} name. */
    void loadLibraries() {
        if (cublasLt != null) {
            CudaLibrary.CUBLASLT.load(cublasLt);
        }
        if (nccl != null) {
            CudaLibrary.NCCL.load(nccl);
        }
    }

    /** Model options for this device and for weights of the given dtype. Also calls {@link #loadLibraries}. */
    public ModelOptions options(Path model, String dtype) {
        loadLibraries();
        return ModelOptions.of(model).withDevice(device).withThreads(threads).withIsa(isa).withDtype(dtype)
                .withParallel(parallel());
    }
}
