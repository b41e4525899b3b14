package org.ingrain.workbench;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Overlay;
import org.ingrain.files.TemporaryFolder;
import org.ingrain.tensor.InputException;

/** Opens a backend with a user's kernels in place of its own ops. */
public final class Workbench {
    private Workbench() {
    }

    /**
     * Compiles the kernels that are sources, then loads all kernels. The compiled files are removed before the method
     * returns, because a loaded library no longer needs its file.
     *
     * @param library library of the backend
     * @throws InputException if a kernel does not compile, does not load, or exports none of its ops
     */
    public static Backend open(Path library, List<KernelFile> kernels) {
        return kernels.isEmpty() ? Backend.open(library)
                : compiled(library, kernels, (overlays, folder) -> Backend.open(library, overlays));
    }

    /** Receives the compiled kernels and their temporary folder, before the folder is removed. */
    public interface Use<R> {
        R with(List<Overlay> kernels, Path folder);
    }

    /**
     * Compiles the kernels that are sources into a temporary folder, calls {@code use} and removes the folder.
     * {@code use} may write to the folder. Returns the result of {@code use}.
     */
    public static <R> R compiled(Path library, List<KernelFile> kernels, Use<R> use) {
        try (TemporaryFolder temporary = TemporaryFolder.make("ingrain-kernels-")) {
            Path folder = temporary.path();
            KernelCompiler compiler = new KernelCompiler(library, folder);
            return use.with(kernels.stream().map(kernel ->
                    new Overlay(compiler.library(kernel), kernel.file(), kernel.ops())).toList(), folder);
        }
    }
}
