package org.ingrain.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** All targets. The files of the targets are in a new folder below java.io.tmpdir; the caller removes this folder. */
final class Targets {
    private Targets() {
    }

    static List<Target> all() {
        try {
            Path folder = Files.createTempDirectory("fuzz");
            List<Target> all = new ArrayList<>(ModelTargets.all(folder));
            all.addAll(TextTargets.all(folder.resolve("text")));
            all.addAll(RowTargets.all(folder.resolve("rows")));
            all.addAll(RunTargets.all(folder.resolve("runs")));
            return List.copyOf(all);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
