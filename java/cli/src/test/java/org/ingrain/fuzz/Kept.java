package org.ingrain.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Inputs that once caused a fault. They are in the source tree, in a folder per target. Every build tests them. */
final class Kept {
    private static final String FOLDER = "java/cli/src/test/resources/org/ingrain/fuzz";

    private Kept() {
    }

    /** Returns the inputs of a target by file name; empty if the target has no folder. */
    static SortedMap<String, byte[]> inputs(String target) throws IOException {
        Path folder = Path.of(System.getProperty("ingrain.root"), FOLDER, target);
        SortedMap<String, byte[]> inputs = new TreeMap<>();
        if (Files.isDirectory(folder)) {
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    inputs.put(file.getFileName().toString(), Files.readAllBytes(file));
                }
            }
        }
        return inputs;
    }
}
