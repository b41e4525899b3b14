package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * An unpredictable temporary name for an unfinished file or folder: {@code .ingrain-0123456789abcdef.unfinished}. For a
 * folder, and for the file of a {@link DurableMapping}, a lock file with the same number N shows whether the process
 * that writes the file or folder is still running:
 *
 * <pre>
 *   .ingrain-N.lock held         the file or folder is being written
 *   .ingrain-N.lock free         the process has ended; the file or folder and the lock can be removed
 *   .ingrain-N.unfinished alone  another file, or a folder that is being removed; RunLock.take removes it from a run
 *                                folder
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
        lock = new LockFile(lockFile);
        lock.tryHold();
    }

    /** Returns a new temporary name in the folder of {@code target}, without a lock file. */
    static Path beside(Path target) {
        String number = HexFormat.of().toHexDigits(new SecureRandom().nextLong());
        return target.toAbsolutePath().resolveSibling(".ingrain-" + number + ".unfinished");
    }

    /** Removes the leftovers of ended processes from a folder, then creates a locked temporary name there. */
    static Unfinished begin(Path folder) throws IOException {
        sweep(folder, 1, false);
        return new Unfinished(beside(folder.resolve("any")));
    }

    Path path() {
        return path;
    }

    static boolean is(Path path) {
        return NAME.matcher(path.getFileName().toString()).matches();
    }

    /**
     * Removes the leftovers of ended processes.
     *
     * @param depth    number of folder levels to search; 1 searches the entries of {@code folder} only
     * @param lockless whether to also remove files and folders that have no lock file; if true, no other process may be
     *                 using the folder
     */
    static void sweep(Path folder, int depth, boolean lockless) throws IOException {
        List<Path> found;
        try (Stream<Path> all = Files.walk(folder, depth)) {
            found = all.filter(path -> !path.equals(folder) && is(path)).toList();
        }
        for (Path path : found) {
            Path lockFile = lockFile(path);
            if (!Files.exists(lockFile, LinkOption.NOFOLLOW_LINKS)) {
                if (lockless) {
                    DurableFolder.delete(path);
                }
                continue;
            }
            try (LockFile lock = new LockFile(lockFile)) {
                if (lock.tryHold()) {
                    DurableFolder.delete(lockFile.resolveSibling(
                            lockFile.getFileName().toString().replace(".lock", ".unfinished")));
                    Files.deleteIfExists(lockFile);
                }
            }
        }
    }

    /** Deletes the unfinished file or folder, if it still exists, then the lock. */
    @Override
    public void close() throws IOException {
        try (lock) {
            DurableFolder.delete(path);
            Files.deleteIfExists(lockFile);
        }
    }

    private static Path lockFile(Path path) {
        return path.resolveSibling(path.getFileName().toString().replace(".unfinished", ".lock"));
    }
}
