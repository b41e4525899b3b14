package org.ingrain.ffi;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ingrain.tensor.InputException;

/**
 * An NVIDIA library that the CUDA backend opens by name. The dynamic loader finds the library in CUDA's runtime
 * packages, but not in PyTorch's wheels. If the loader does not find it, this class searches the folders of the CUDA
 * toolkit and the wheels, and loads the library; the backend then uses the loaded library.
 */
public enum CudaLibrary {
    /** The library for matrix products. If it is not found, the first matrix product that needs it fails. */
    CUBLASLT("cublasLt", "libcublasLt.so.13", "libcublasLt.so.12"),
    /** The library for collectives with long messages, or between devices that cannot access each other's memory. */
    NCCL("nccl", "libnccl.so.2");

    private static final String WHEELS = "nvidia/*/lib";

    private final String field;
    private final List<String> names;

    CudaLibrary(String field, String... names) {
        this.field = field;
        this.names = List.of(names);
    }

    /**
     * Loads this file. All backends opened afterwards use this file instead of searching for the library.
     *
     * @throws InputException if the file cannot be loaded, or if its name is not that of the library
     */
    public void load(Path file) {
        if (names.stream().noneMatch(file.getFileName().toString()::startsWith)) {
            throw InputException.field(field, file + ", expected a file named " + String.join(" or ", names));
        }
        if (!Files.isRegularFile(file)) {
            throw InputException.field(field, file + ": no such file");
        }
        String reason = SharedObject.keep(file.toAbsolutePath().toString());
        if (!reason.isEmpty()) {
            throw InputException.field(field, file + ": " + reason);
        }
    }

    /** Loads the first usable file, unless the dynamic loader finds one itself. */
    void find() {
        if (names.stream().anyMatch(name -> SharedObject.keep(name).isEmpty())) {
            return;
        }
        for (Path candidate : candidates(System.getenv(), Path.of(System.getProperty("user.home")))) {
            if (SharedObject.keep(candidate.toString()).isEmpty()) {
                return;
            }
        }
    }

    /**
     * Existing candidate files in CUDA_HOME, the toolkit's folder and the wheels of the installed Pythons, in search
     * order.
     */
    List<Path> candidates(Map<String, String> environment, Path home) {
        List<Path> prefixes = new ArrayList<>();
        for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
            if (environment.containsKey(variable)) {
                prefixes.add(Path.of(environment.get(variable)));
            }
        }
        for (String folder : environment.getOrDefault("PATH", "").split(File.pathSeparator)) {
            if (!folder.isEmpty() && Files.exists(Path.of(folder, "python3"))) {
                prefixes.add(Path.of(folder).toAbsolutePath().getParent());
            }
        }
        prefixes.addAll(List.of(home.resolve(".local"), Path.of("/usr/local"), Path.of("/usr")));
        List<Path> folders = new ArrayList<>();
        if (environment.containsKey("CUDA_HOME")) {
            folders.add(Path.of(environment.get("CUDA_HOME"), "lib64"));
        }
        folders.add(Path.of("/usr/local/cuda/lib64"));
        for (Path prefix : prefixes) {
            for (String packages : List.of("lib/python3*/site-packages", "lib/python3*/dist-packages",
                    "lib/python3/dist-packages")) {
                folders.addAll(matching(prefix, packages + "/" + WHEELS));
            }
        }
        return names.stream().flatMap(name -> folders.stream().map(folder -> folder.resolve(name)))
                .filter(Files::isRegularFile).distinct().toList();
    }

    /**
     * The folders below {@code folder} that match a glob pattern. The pattern is matched one path component at a time.
     */
    private static List<Path> matching(Path folder, String pattern) {
        List<Path> found = folder == null ? List.of() : List.of(folder);
        for (String part : pattern.split("/")) {
            List<Path> next = new ArrayList<>();
            for (Path parent : found) {
                try (DirectoryStream<Path> children = Files.newDirectoryStream(parent, part)) {
                    children.forEach(next::add);
                } catch (IOException e) {
                    continue;   // the folder does not exist
                }
            }
            next.sort(null);
            found = next;
        }
        return found;
    }
}
