package org.ingrain.distill;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Real questions and weights. They are in the folder {@code shared/} next to the repository, or in the folder that
 * INGRAIN_SHARED names. A test whose file is missing is skipped.
 */
public final class Shared {
    private Shared() {
    }

    /** {@code shared/data/NAME}. */
    public static Path data(String name) {
        return existing("data/" + name);
    }

    /** {@code shared/models/NAME}. */
    public static Path model(String name) {
        return existing("models/" + name);
    }

    private static Path existing(String name) {
        String shared = System.getenv("INGRAIN_SHARED");
        Path root = Path.of(System.getProperty("ingrain.root", ".")).toAbsolutePath();
        Path path = (shared == null ? root.resolveSibling("shared") : Path.of(shared)).resolve(name);
        assumeTrue(Files.exists(path), "skipped: " + path + " is not there");
        return path;
    }
}
