package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.ingrain.files.DurableFolder;

/** The files of a finished training that no longer change: settings, metrics and the trained weights. */
final class TrainingFiles {
    /** Files and folders that a continued training changes, or that contain measured times. */
    private static final Set<String> MUTABLE = Set.of("checkpoints", "checkpoint.json", "log.txt", "run.lock");

    private TrainingFiles() {
    }

    /** Names of the files in {@code folder}, relative to the run folder. */
    static List<String> of(Path run, String folder) {
        return DurableFolder.list(run.resolve(folder)).stream()
                .filter(path -> !MUTABLE.contains(path.getFileName().toString()))
                .flatMap(path -> Files.isDirectory(path) ? DurableFolder.list(path).stream() : Stream.of(path))
                .map(path -> run.relativize(path).toString()).toList();
    }
}
