package org.ingrain.cli.flags;

import java.util.List;
import org.ingrain.workbench.KernelFile;
import picocli.CommandLine.Option;

/** Kernels of the user's own. */
public final class KernelFlags {
    @Option(names = "--kernel", paramLabel = "OP=FILE",
            description = "A kernel of your own, such as rms_norm=my.so, my.cc or my.cu; may be "
            + "given several times ('ingrain kernels' lists the ops).")
    private List<String> kernels = List.of();

    public List<KernelFile> files() {
        return kernels.stream().map(KernelFile::parse).toList();
    }
}
