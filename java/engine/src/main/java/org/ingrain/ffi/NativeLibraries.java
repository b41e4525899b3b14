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
import org.ingrain.tensor.InputException;

/**
 * Finds the library of a backend. A path is used as given. A name such as {@code cpu} is searched for in this order:
 * <ol>
 * <li>{@code lib/} of the installation, system property {@code ingrain.home};
 * <li>{@code build/release/lib/} of the source tree, system property {@code ingrain.root};
 * <li>the engine's jar, {@code org/ingrain/native/<platform>/}, which JavaCPP copies once to its cache.
 * </ol>
 */
public final class NativeLibraries {
    private NativeLibraries() {}

    /**
     * The library of a backend.
     *
     * @param backend a name ({@code cpu}, {@code cuda}) or the path of a library, recognised by a {@code /} or the
     *                ending {@code .so}
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

    /** Compares the bytes. JavaCPP compares only size and time, which can be equal for two builds of one version. */
    private static boolean holds(Path file, URL resource) throws IOException {
        try (InputStream expected = resource.openStream()) {
            return Arrays.equals(Files.readAllBytes(file), expected.readAllBytes());
        }
    }
}
