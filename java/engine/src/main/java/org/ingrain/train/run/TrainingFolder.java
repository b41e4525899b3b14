package org.ingrain.train.run;

import java.nio.file.Path;
import java.time.Instant;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLog;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;

/**
 * The folder of a training run, which only one process at a time can lock. The folder contains run.json (settings),
 * checkpoints/, metrics.jsonl (one line per step and per validation), log.txt (events with times), and the result. The
 * contents of all files except log.txt depend only on the settings, even if the run was killed and resumed. To ensure
 * this, a resumed run truncates metrics.jsonl to the length that the file had when the checkpoint was written.
 */
public final class TrainingFolder implements AutoCloseable {
    private final Path folder;
    private final RunLock lock;
    private final JsonLog metrics;

    private TrainingFolder(Path folder, RunLock lock) {
        this.folder = folder;
        this.lock = lock;
        metrics = JsonLog.open(folder.resolve("metrics.jsonl"));
    }

    /**
     * Creates or reopens the folder. Throws an InputException and does not change the folder if it has other settings,
     * is in use, or is not a training folder.
     */
    public static TrainingFolder open(Path folder, Manifest manifest) {
        RunLock lock = RunLock.take(folder, manifest);
        try {
            return new TrainingFolder(folder, lock);
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    public Path checkpoints() {
        return folder.resolve("checkpoints");
    }

    public Path result(String name) {
        return folder.resolve(name);
    }

    /** The log metrics.jsonl. */
    public JsonLog metrics() {
        return metrics;
    }

    /** Appends a line to log.txt. */
    public void log(String line) {
        DurableFile.append(folder.resolve("log.txt"), Instant.now() + " " + line + "\n");
    }

    @Override
    public void close() {
        try (lock) {
            metrics.close();
        }
    }
}
