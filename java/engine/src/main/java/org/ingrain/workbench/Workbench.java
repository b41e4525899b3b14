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
        if (kernels.isEmpty()) {
            return Backend.open(library);
        }
        Path folder = temporaryFolder();
        try {
            return Backend.open(library, compile(library, kernels, folder));
        } finally {
            remove(folder);
        }
    }

    /** The kernels as libraries; those of sources lie in the folder. */
    static List<Overlay> compile(Path library, List<KernelFile> kernels, Path folder) {
        KernelCompiler compiler = new KernelCompiler(library, folder);
        return kernels.stream().map(kernel -> new Overlay(compiler.library(kernel), kernel.file(), kernel.ops())).toList();
    }

    static Path temporaryFolder() {
        try {
            return Files.createTempDirectory("ingrain-kernels-");
        } catch (IOException e) {
            throw new InputException("--kernel: no folder for what is compiled: " + e.getMessage(), e);
        }
    }

    /** Removes a folder with all that is in it. */
    static void remove(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
