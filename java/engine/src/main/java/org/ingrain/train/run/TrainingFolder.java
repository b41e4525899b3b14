package org.ingrain.train.run;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.Set;
import org.ingrain.checkpoint.Outputs;
import org.ingrain.files.DurableFolder;
import org.ingrain.tensor.InputException;

/**
 * The folder of a training run, held by one process at a time: run.json (settings), checkpoints/, metrics.jsonl (a line for each step and
 * validation), log.txt (what happened when), and the result. But for log.txt its files depend on the settings alone, however often the run
 * was killed and taken up again: metrics.jsonl is cut back to what the checkpoint it goes on from had.
 */
public final class TrainingFolder implements AutoCloseable {
    private static final String SETTINGS = "run.json";
    private static final String LOCK = "run.lock";
    private static final String METRICS = "metrics.jsonl";
    private static final Set<String> BEGINNINGS = Set.of(LOCK, SETTINGS + ".part");

    private final Path folder;
    private final FileChannel lock;
    private final FileChannel metrics;
    private final FileChannel log;

    private TrainingFolder(Path folder, FileChannel lock) throws IOException {
        this.folder = folder;
        this.lock = lock;
        metrics = FileChannel.open(folder.resolve(METRICS), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        log = FileChannel.open(folder.resolve("log.txt"), StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    }

    /** Makes the folder or takes it up; one made with other settings, in use, or of something else is refused untouched. */
    public static TrainingFolder open(Path folder, RunSettings settings) {
        check(folder, settings);
        try {
            Files.createDirectories(folder);
            FileChannel lock = FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                lock(folder, lock);
                check(folder, settings);
                writeSettings(folder, settings);
                DurableFolder.clean(folder);
                DurableFolder.clean(folder.resolve("checkpoints"));
                return new TrainingFolder(folder, lock);
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw DurableFolder.unwritable(folder, e);
        }
    }

    private static void check(Path folder, RunSettings settings) {
        if (!Files.exists(folder)) {
            return;
        }
        if (!Files.isDirectory(folder)) {
            throw InputException.field("output", folder + " is a file, expected a folder");
        }
        try {
            Path file = folder.resolve(SETTINGS);
            if (Files.exists(file)) {
                settings.requireSame(folder.toString(), RunSettings.parse(file.toString(), Files.readString(file)));
                return;
            }
            for (Path path : DurableFolder.list(folder)) {
                if (!BEGINNINGS.contains(path.getFileName().toString())) {
                    throw InputException.field("output", folder + " holds " + path.getFileName() + " and no " + SETTINGS
                            + ", expected an empty or a new folder");
                }
            }
        } catch (IOException e) {
            throw new InputException(folder + ": cannot be read: " + DurableFolder.reason(e), e);
        }
    }

    private static void lock(Path folder, FileChannel channel) throws IOException {
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            throw InputException.field("output", folder + " is in use by another process");
        }
    }

    private static void writeSettings(Path folder, RunSettings settings) throws IOException {
        Path file = folder.resolve(SETTINGS);
        if (!Files.exists(file)) {
            Outputs.write(file, settings.text());
            DurableFolder.force(folder);
        }
    }

    public Path checkpoints() {
        return folder.resolve("checkpoints");
    }

    public Path result(String name) {
        return folder.resolve(name);
    }

    /** Forgets what was written after this many bytes, and goes on there. */
    public void cutMetrics(long bytes) {
        try {
            if (metrics.size() < bytes) {
                throw new InputException(folder.resolve(METRICS) + ": has " + metrics.size() + " bytes, expected at least " + bytes
                        + " by the latest checkpoint");
            }
            metrics.truncate(bytes).position(bytes);
        } catch (IOException e) {
            throw DurableFolder.unwritable(folder.resolve(METRICS), e);
        }
    }

    /** Appends a line to metrics.jsonl. */
    public void metric(Object line) {
        append(metrics, METRICS, RunJson.line(line));
    }

    /** Puts the lines so far on the disk; returns their bytes. */
    public long forceMetrics() {
        try {
            metrics.force(true);
            return metrics.position();
        } catch (IOException e) {
            throw DurableFolder.unwritable(folder.resolve(METRICS), e);
        }
    }

    /** Appends a line to log.txt. */
    public void log(String line) {
        append(log, "log.txt", Instant.now() + " " + line);
    }

    private void append(FileChannel channel, String name, String line) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw DurableFolder.unwritable(folder.resolve(name), e);
        }
    }

    @Override
    public void close() {
        try (lock; metrics; log) {
            log.force(false);
        } catch (IOException e) {
            throw DurableFolder.unwritable(folder, e);
        }
    }
}
