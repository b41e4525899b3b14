package org.ingrain.distill.run;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.stream.Stream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;

/**
 * The folder of one run: made new or taken up again, held by one process at a time. A folder is taken up only with the settings it
 * was made with; otherwise, or if it holds something else, it is refused and nothing in it is touched.
 */
public final class RunFolder implements AutoCloseable {
    private static final String MANIFEST = "run.json";
    private static final String LOCK = "run.lock";
    /** What a run that was killed before its manifest stood may have left. */
    private static final Set<String> BEGINNINGS = Set.of(LOCK, MANIFEST + ".tmp");

    private final Path folder;
    private final FileChannel channel;
    private final FileLock lock;
    private final RunLog log;

    private RunFolder(Path folder, FileChannel channel, FileLock lock) {
        this.folder = folder;
        this.channel = channel;
        this.lock = lock;
        this.log = new RunLog(folder);
    }

    /**
     * Makes the folder or takes it up.
     *
     * @throws InputException if it was made with other settings (the first one that differs is named), is in use by another process,
     *                        or is a folder of something else
     */
    public static RunFolder open(Path folder, Manifest manifest) {
        check(folder, manifest);
        try {
            Files.createDirectories(folder);
            FileChannel channel = FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock = lock(folder, channel);
            RunFolder run = new RunFolder(folder, channel, lock);
            try {
                run.begin(manifest);
            } catch (RuntimeException e) {
                run.close();
                throw e;
            }
            return run;
        } catch (IOException e) {
            throw DurableFile.unwritable(folder, e);
        }
    }

    public Path path() {
        return folder;
    }

    /** {@code name}, with slashes, below this folder. */
    public Path file(String name) {
        return folder.resolve(name);
    }

    public RunLog log() {
        return log;
    }

    @Override
    public void close() {
        try {
            lock.release();
            channel.close();
        } catch (IOException e) {
            throw DurableFile.unwritable(folder.resolve(LOCK), e);
        }
    }

    /** Between the first look and the lock another process may have begun a run here, so the look is taken again. */
    private void begin(Manifest manifest) {
        check(folder, manifest);
        if (!Files.exists(file(MANIFEST))) {
            DurableFile.write(file(MANIFEST), Json.pretty(manifest));
        }
    }

    private static FileLock lock(Path folder, FileChannel channel) throws IOException {
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            channel.close();
            throw new InputException(folder + ": this run folder is in use by another process");
        }
        return lock;
    }

    /** Refuses a folder that {@link #open} would refuse for its settings or its content, without making it. */
    public static void check(Path folder, Manifest manifest) {
        if (!Files.exists(folder)) {
            return;
        }
        if (!Files.isDirectory(folder)) {
            throw new InputException(folder + ": is a file, expected a run folder");
        }
        Path file = folder.resolve(MANIFEST);
        if (!Files.exists(file)) {
            refuseOthers(folder);
            return;
        }
        Manifest made = Json.parse(DurableFile.read(file), Manifest.class, file.toString());
        manifest.difference(made).ifPresent(different -> {
            throw new InputException(folder + ": this run folder was made with " + different.setting() + " " + different.there()
                    + ", now it is " + different.here() + "; take the same settings or another folder");
        });
    }

    private static void refuseOthers(Path folder) {
        try (Stream<Path> content = Files.list(folder)) {
            content.map(file -> file.getFileName().toString()).filter(name -> !BEGINNINGS.contains(name)).sorted().findFirst()
                    .ifPresent(name -> {
                        throw new InputException(folder + ": not a run folder (it holds " + name
                                + " and no run.json), expected an empty or a new folder");
                    });
        } catch (IOException e) {
            throw DurableFile.unreadable(folder, e);
        }
    }
}
