package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.ingrain.tensor.InputException;

/**
 * An exclusive lock on a run folder. The folder contains the lock file {@code run.lock} and the {@link Manifest} {@code
 * run.json}. A run folder can be reopened only with the settings with which it was created. A folder is rejected and
 * not changed if it has other settings, is in use or is not a run folder.
 */
public final class RunLock implements AutoCloseable {
    private static final String MANIFEST = "run.json";
    private static final String LOCK = "run.lock";

    private final Path folder;
    private final LockFile lock;

    private RunLock(Path folder, LockFile lock) {
        this.folder = folder;
        this.lock = lock;
    }

    /**
     * Locks a run folder. If the folder does not exist, creates it; otherwise removes the unfinished files of killed
     * processes from it.
     *
     * @throws InputException if {@link #check} rejects the folder, or if another process holds the lock
     */
    public static RunLock take(Path folder, Manifest manifest) {
        check(folder, manifest);
        try {
            DurableFolder.make(folder);
            LockFile lock = LockFile.open(folder.resolve(LOCK));
            try {
                if (!lock.tryHold()) {
                    throw new InputException(folder + ": this run folder is in use by " + lock.holder());
                }
                // Checks again, because another process may have started a run in this folder since the first check.
                check(folder, manifest);
                Unfinished.sweepAll(folder);
                if (!Files.exists(folder.resolve(MANIFEST))) {
                    DurableFile.write(folder.resolve(MANIFEST), Json.pretty(manifest));
                }
                return new RunLock(folder, lock);
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw DurableFile.unwritable(folder, e);
        }
    }

    /**
     * Checks whether {@link #take} would reject the folder because of its settings or content. Does not create the
     * folder.
     *
     * @throws InputException if the folder has another format version, has other settings, or is not a run folder; if
     *         settings differ, the message names the first setting that differs
     */
    public static void check(Path folder, Manifest manifest) {
        if (!Files.exists(folder)) {
            return;
        }
        if (!Files.isDirectory(folder)) {
            throw new InputException(folder + ": is a file, expected a run folder");
        }
        Path file = folder.resolve(MANIFEST);
        if (Files.exists(file)) {
            manifest.requireSame(folder, Manifest.read(file));
            return;
        }
        DurableFolder.list(folder).stream().filter(path -> !path.endsWith(LOCK) && !Unfinished.is(path)).findFirst()
                .ifPresent(path -> {
            throw new InputException(folder + ": not a run folder (it holds " + path.getFileName() + " and no "
                    + MANIFEST
                    + "), expected an empty or a new folder");
        });
    }

    /**
     * Describes the first setting of an existing run folder that differs from the manifest, as in {@link
     * Manifest#difference}. Returns empty if no setting differs, or if the folder is not a run folder.
     */
    public static Optional<String> difference(Path folder, Manifest manifest) {
        Path file = folder.resolve(MANIFEST);
        return Files.exists(file) ? Manifest.difference(manifest.settings(), Manifest.read(file).settings())
                : Optional.empty();
    }

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            throw DurableFile.unwritable(folder.resolve(LOCK), e);
        }
    }
}
