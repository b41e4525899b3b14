package org.ingrain.files;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * An unpredictable temporary name for an unfinished file or folder: {@code .ingrain-0123456789abcdef.unfinished}. A
 * lock file with the same number N shows whether the process that writes the file or folder is still running:
 *
 * <pre>
 *   .ingrain-N.lock held         the file or folder is being written
 *   .ingrain-N.lock free         the process has ended; the file or folder and the lock can be removed
 *   .ingrain-N.unfinished alone  a folder that is being removed; RunLock.take removes it from a run folder
 * </pre>
 */
final class Unfinished implements AutoCloseable {
    private static final Pattern NAME = Pattern.compile("\\.ingrain-[0-9a-f]{16}\\.(unfinished|lock)");

    private final Path path;
    private final Path lockFile;
    private final LockFile lock;

    private Unfinished(Path path) throws IOException {
        this.path = path;
        lockFile = lockFile(path);
        lock = LockFile.open(lockFile);
    }

    /** Returns a new temporary name in the folder of {@code target}, without a lock file. */
    static Path beside(Path target) {
        String number = HexFormat.of().toHexDigits(new SecureRandom().nextLong());
        return target.toAbsolutePath().resolveSibling(".ingrain-" + number + ".unfinished");
    }

    /**
     * Removes the leftovers of ended processes from a folder, then creates a locked temporary name there. If the file
     * system has no locks, the name has none either.
     */
    static Unfinished begin(Path folder) throws IOException {
        sweepEnded(folder);
        while (true) {
            Unfinished fresh = new Unfinished(beside(folder.resolve("any")));
            try {
                if (fresh.lock.tryHold() && Files.exists(fresh.lockFile)) {
                    return fresh;
                }
                // Another process has just removed the new lock file, as if it were a leftover.
                fresh.close();
            } catch (IOException e) {
                return fresh;
            }
        }
    }

    /** Removes the leftovers of ended processes. Files that this user may not read or delete remain. */
    private static void sweepEnded(Path folder) {
        try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, Unfinished::is)) {
            for (Path each : found) {
                try {
                    sweep(each, false);
                } catch (IOException e) {
                    // For example, the leftover belongs to another user.
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            // Leftovers use space, but cause no errors.
        }
    }

    Path path() {
        return path;
    }

    static boolean is(Path path) {
        return NAME.matcher(path.getFileName().toString()).matches();
    }

    /** Removes all unfinished files and folders below a folder. No other process may be using the folder. */
    static void sweepAll(Path folder) throws IOException {
        List<Path> found;
        try (Stream<Path> all = Files.walk(folder)) {
            found = all.filter(path -> !path.equals(folder) && is(path)).toList();
        }
        for (Path path : found) {
            sweep(path, true);
        }
    }

    /**
     * Removes an unfinished file or folder, and its lock file, if the process that wrote it has ended.
     *
     * @param path     the unfinished file or folder, or its lock file
     * @param lockless whether to also remove a file or folder that has no lock file
     */
    private static void sweep(Path path, boolean lockless) throws IOException {
        Path lockFile = lockFile(path);
        if (!Files.exists(lockFile, LinkOption.NOFOLLOW_LINKS)) {
            if (lockless) {
                DurableFolder.delete(path);
            }
            return;
        }
        try (LockFile lock = LockFile.openExisting(lockFile)) {
            if (lock.tryHold()) {
                DurableFolder.delete(lockFile.resolveSibling(
                        lockFile.getFileName().toString().replace(".lock", ".unfinished")));
                Files.deleteIfExists(lockFile);
            }
        } catch (NoSuchFileException e) {
            // The process that wrote the file or folder has just finished.
        }
    }

    /**
     * Deletes the unfinished file or folder, if it still exists, then the lock. If this fails, the next sweep deletes
     * them.
     */
    @Override
    public void close() {
        try (lock) {
            DurableFolder.delete(path);
            Files.deleteIfExists(lockFile);
        } catch (IOException e) {
            // The target is complete, or the caller reports why it could not be written.
        }
    }

    private static Path lockFile(Path path) {
        return path.resolveSibling(path.getFileName().toString().replace(".unfinished", ".lock"));
    }
}
