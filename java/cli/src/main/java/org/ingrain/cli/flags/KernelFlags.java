package org.ingrain.cli.flags;

import java.util.List;
import org.ingrain.workbench.KernelFile;
import picocli.CommandLine.Option;

/** Flags for kernels of the user. */
@Heading.Under(Heading.DEVICE)
public final class KernelFlags {
    @Option(names = "--kernel", paramLabel = "OP=FILE",
            description = "Use your own kernel for an op: rms_norm=my.so, my.cc or my.cu. "
            + "Repeatable; 'ingrain kernels' lists the ops.")
    private List<String> kernels = List.of();

    public List<KernelFile> files() {
        return kernels.stream().map(KernelFile::parse).toList();
    }
}
