package org.ingrain.workbench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Overlay;
import org.ingrain.tensor.InputException;

/** Opens a backend with a user's kernels in place of its own. */
public final class Workbench {
    private Workbench() {
    }

    /**
     * Compiles what is a source, then loads. What was compiled is removed before this returns: a loaded library needs its file no more.
     *
     * @param library of the backend
     * @throws InputException in one line, if a kernel does not compile, load, or export what it should
     */
    public static Backend open(Path library, List<KernelFile> kernels) {
        return kernels.isEmpty() ? Backend.open(library) : compiled(library, kernels, (overlays, folder) -> Backend.open(library, overlays));
    }

    /** What is done with compiled kernels while they are there. */
    public interface Use<R> {
        R with(List<Overlay> kernels, Path folder);
    }

    /** Compiles what is a source into a temporary folder, which the use may write to, and removes it afterwards. */
    public static <R> R compiled(Path library, List<KernelFile> kernels, Use<R> use) {
        Path folder = temporaryFolder();
        try {
            KernelCompiler compiler = new KernelCompiler(library, folder);
            return use.with(kernels.stream().map(kernel -> new Overlay(compiler.library(kernel), kernel.file(), kernel.ops())).toList(), folder);
        } finally {
            remove(folder);
        }
    }

    private static Path temporaryFolder() {
        try {
            return Files.createTempDirectory("ingrain-kernels-");
        } catch (IOException e) {
            throw InputException.field("kernels", "no folder for what is compiled: " + e.getMessage());
        }
    }

    /** Removes a folder with all that is in it. */
    private static void remove(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
