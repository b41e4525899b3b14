package org.ingrain.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Real weights and data, which stand beside the repository or where INGRAIN_SHARED says; a test that finds none is
 * skipped.
 */
public final class TestFolders {
    private TestFolders() {
    }

    /** {@code shared/models/NAME}. */
    public static Path model(String name) {
        return existing("models/" + name);
    }

    /** {@code shared/data/NAME}. */
    public static Path data(String name) {
        return existing("data/" + name);
    }

    private static Path existing(String name) {
        String shared = System.getenv("INGRAIN_SHARED");
        Path root = Path.of(System.getProperty("ingrain.root", ".")).toAbsolutePath();
        Path path = shared == null ? root.resolveSibling("shared").resolve(name) : Path.of(shared, name);
        assumeTrue(Files.exists(path), "skipped: " + path + " is not there");
        return path;
    }
}
