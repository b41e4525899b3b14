package org.ingrain.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Folders of real weights and data. They are in {@code shared/} next to the repository, or in the folder that the
 * environment variable INGRAIN_SHARED names. If the requested folder is missing, the test is skipped.
 */
public final class TestFolders {
    private TestFolders() {
    }

    /** The folder {@code models/NAME}. */
    public static Path model(String name) {
        return existing("models/" + name);
    }

    /** The folder {@code data/NAME}. */
    public static Path data(String name) {
        return existing("data/" + name);
    }

    private static Path existing(String name) {
        String shared = System.getenv("INGRAIN_SHARED");
        Path root = Path.of(System.getProperty("ingrain.root", ".")).toAbsolutePath();
        Path path = shared == null ? root.resolveSibling("shared").resolve(name) : Path.of(shared, name);
        assumeTrue(Files.exists(path), "skipped: " + path + " does not exist");
        return path;
    }
}
