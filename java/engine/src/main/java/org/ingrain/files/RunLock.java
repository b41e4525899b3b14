package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/**
 * The hold of one process on a run folder: {@code run.lock}, beside the {@link Manifest} {@code run.json}. A folder is
 * taken again only with the settings that it was made with. A folder that was made with other settings, is in use or
 * holds something else is refused untouched.
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
     * Makes the folder, or takes it again and removes what a killed process left unfinished in it.
     *
     * @throws InputException as {@link #check} does, or if another process holds the folder
     */
    public static RunLock take(Path folder, Manifest manifest) {
        check(folder, manifest);
        try {
            DurableFolder.make(folder);
            LockFile lock = new LockFile(folder.resolve(LOCK));
            try {
                if (!lock.tryHold()) {
                    throw new InputException(folder + ": this run folder is in use by " + lock.holder());
                }
                // Another process may have begun a run here since the first look.
                check(folder, manifest);
                Unfinished.sweep(folder, Integer.MAX_VALUE, true);
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
     * Refuses a folder that {@link #take} would refuse for its settings or its content, without making it.
     *
     * @throws InputException if it has another format, was made with other settings (the first that differs is named),
     *         or is no run folder
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

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            throw DurableFile.unwritable(folder.resolve(LOCK), e);
        }
    }
}
