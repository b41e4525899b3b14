package org.ingrain.ffi;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.Loader;
import org.ingrain.files.LibraryCache;
import org.ingrain.tensor.InputException;

/**
 * Finds the library of a backend. A path is used unchanged. For a name such as {@code cpu}, these places are searched
 * in this order:
 * <ol>
 * <li>{@code lib/} of the installation, which the system property {@code ingrain.home} names;
 * <li>{@code build/release/lib/} of the source tree, which the system property {@code ingrain.root} names;
 * <li>{@code org/ingrain/native/<platform>/} in the engine's jar; JavaCPP copies the library to its cache.
 * </ol>
 */
public final class NativeLibraries {
    private NativeLibraries() {}

    /**
     * Returns the path of a backend's library.
     *
     * @param backend a name ({@code cpu}, {@code cuda}) or the path of a library; a text that contains a {@code /} or
     *                ends in {@code .so} is a path
     * @throws InputException if there is no such library; the message lists the searched folders
     */
    public static Path find(String backend) {
        if (backend.indexOf(File.separatorChar) >= 0 || backend.endsWith(".so")) {
            Path path = Path.of(backend);
            if (Files.isRegularFile(path)) {
                return path.toAbsolutePath();
            }
            throw new InputException("backend library " + path + ": no such file");
        }
        String file = "libingrain_" + backend + ".so";
        List<Path> folders = folders();
        for (Path folder : folders) {
            if (Files.isRegularFile(folder.resolve(file))) {
                return folder.resolve(file);
            }
        }
        return fromJar(backend, file, folders);
    }

    private static List<Path> folders() {
        List<Path> folders = new ArrayList<>();
        String home = System.getProperty("ingrain.home");
        if (home != null) {
            folders.add(Path.of(home, "lib").toAbsolutePath());
        }
        String root = System.getProperty("ingrain.root");
        if (root != null) {
            folders.add(Path.of(root, "build", "release", "lib").toAbsolutePath());
        }
        return folders;
    }

    private static Path fromJar(String backend, String file, List<Path> folders) {
        LibraryCache.secure();
        String name = "/org/ingrain/native/" + Loader.getPlatform() + "/" + file;
        URL resource = NativeLibraries.class.getResource(name);
        if (resource == null) {
            StringBuilder looked = new StringBuilder();
            folders.forEach(folder -> looked.append(folder).append(", "));
            throw new InputException("backend " + backend + ": no " + file + " in " + looked
                    + "nor in the engine's jar for " + Loader.getPlatform());
        }
        try {
            Path cached = Loader.cacheResource(resource).toPath();
            if (!holds(cached, resource)) {
                Files.delete(cached);
                cached = Loader.cacheResource(resource).toPath();
            }
            return cached;
        } catch (IOException e) {
            throw new InputException("backend " + backend + ": cannot copy " + file + " out of the jar: "
                    + e.getMessage(), e);
        }
    }

    /**
     * Whether a file and a resource have equal content. JavaCPP compares only size and time, and both may be equal for
     * two different builds.
     */
    private static boolean holds(Path file, URL resource) throws IOException {
        try (InputStream expected = resource.openStream()) {
            return Arrays.equals(Files.readAllBytes(file), expected.readAllBytes());
        }
    }
}
