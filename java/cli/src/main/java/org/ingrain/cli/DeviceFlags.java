package org.ingrain.cli;

import java.util.List;
import org.ingrain.workbench.KernelFile;
import picocli.CommandLine.Option;

/** What computes. */
final class DeviceFlags {
    @Option(names = "--device", defaultValue = "cpu", paramLabel = "NAME", description = "cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}).")
    String device;

    @Option(names = "--threads", defaultValue = "0", paramLabel = "N", description = "CPU threads; 0 for all cores (the default).")
    int threads;

    @Option(names = "--isa", defaultValue = "auto", paramLabel = "NAME",
            description = "CPU instruction set: auto, avx2, avx512 or avx512_bf16 (default: ${DEFAULT-VALUE}).")
    String isa;

    @Option(names = "--deterministic", description = "On a GPU, results that do not depend on what else is in the batch; slower.")
    boolean deterministic;

    @Option(names = "--kernel", paramLabel = "OP=FILE", description = "A kernel of your own, such as rms_norm=my.so, my.cc or my.cu; may be "
            + "given several times ('ingrain kernels' lists the ops).")
    private List<String> kernels = List.of();

    List<KernelFile> kernels() {
        return kernels.stream().map(KernelFile::parse).toList();
    }
}
