package org.ingrain.workbench;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Overlay;
import org.ingrain.files.TemporaryFolder;
import org.ingrain.tensor.InputException;

/** Opens a backend with a user's kernels in place of its own. */
public final class Workbench {
    private Workbench() {
    }

    /**
     * Compiles what is a source, then loads. What was compiled is removed before this returns: a loaded library needs
     * its file no more.
     *
     * @param library of the backend
     * @throws InputException in one line, if a kernel does not compile, load, or export what it should
     */
    public static Backend open(Path library, List<KernelFile> kernels) {
        return kernels.isEmpty() ? Backend.open(library)
                : compiled(library, kernels, (overlays, folder) -> Backend.open(library, overlays));
    }

    /** What is done with compiled kernels while they are there. */
    public interface Use<R> {
        R with(List<Overlay> kernels, Path folder);
    }

    /** Compiles what is a source into a temporary folder, which the use may write to, and removes it afterwards. */
    public static <R> R compiled(Path library, List<KernelFile> kernels, Use<R> use) {
        try (TemporaryFolder temporary = TemporaryFolder.make("ingrain-kernels-")) {
            Path folder = temporary.path();
            KernelCompiler compiler = new KernelCompiler(library, folder);
            return use.with(kernels.stream().map(kernel ->
                    new Overlay(compiler.library(kernel), kernel.file(), kernel.ops())).toList(), folder);
        }
    }
}
