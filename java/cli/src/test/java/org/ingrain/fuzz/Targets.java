package org.ingrain.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** All targets. A target is created only if it is selected, because the creation of some targets is slow. */
final class Targets {
    private Targets() {
    }

    /** Makes a target. */
    interface Maker {
        /** @param folder a new folder for the target's files */
        Target make(String name, Path folder) throws IOException;
    }

    /** A target that has not been created yet. */
    record Entry(String name, Maker maker) {
    }

    static List<String> names() {
        return entries().stream().map(Entry::name).toList();
    }

    /**
     * Creates the targets whose names match a regular expression. Their files are in a new folder below java.io.tmpdir,
     * which the caller removes.
     */
    static List<Target> named(String names) {
        try {
            Path folder = Files.createTempDirectory("fuzz");
            List<Target> targets = new ArrayList<>();
            for (Entry entry : entries()) {
                if (entry.name().matches(names)) {
                    Path own = Files.createDirectories(folder.resolve(entry.name()));
                    targets.add(entry.maker().make(entry.name(), own));
                }
            }
            return targets;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Entry> entries() {
        List<Entry> all = new ArrayList<>(ModelTargets.ALL);
        all.addAll(TextTargets.ALL);
        all.addAll(RowTargets.ALL);
        all.addAll(RequestTargets.ALL);
        all.addAll(RunTargets.ALL);
        all.addAll(PipelineTargets.ALL);
        return all;
    }
}
