package org.ingrain.train.run;

import java.nio.file.Path;
import java.time.Instant;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLog;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;

/**
 * The folder of a training run, held by one process at a time: run.json (settings), checkpoints/, metrics.jsonl (a line
 * for each step and validation), log.txt (what happened when), and the result. But for log.txt its files depend on the
 * settings alone, however often the run was killed and resumed: metrics.jsonl is cut back to what the checkpoint
 * it goes on from had.
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
     * Creates or reopens the folder. Refuses, without changing it, a folder that has other settings, is in use, or is
     * not a training folder.
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

    /** The lines of metrics.jsonl, one for each step and validation. */
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
