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
 * A fresh name for what is being written: {@code .ingrain-0123456789abcdef.unfinished}, which nobody can guess. A lock
 * file of the same number says whether the process that writes a folder still runs:
 *
 * <pre>
 *   .ingrain-N.lock held         being written
 *   .ingrain-N.lock free         its process ended: both are removed
 *   .ingrain-N.unfinished alone  a single file, or a folder that is being removed: goes when its run folder is taken
 *   again
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

    /** A fresh name in the folder of {@code target}, without a lock. */
    static Path beside(Path target) {
        String number = HexFormat.of().toHexDigits(new SecureRandom().nextLong());
        return target.toAbsolutePath().resolveSibling(".ingrain-" + number + ".unfinished");
    }

    /** A fresh name in a folder, locked, after what ended processes left there has been removed. */
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
     * Removes what ended processes left.
     *
     * @param depth    of folders below {@code folder}: 1 for its own entries
     * @param lockless whether names without a lock go too, which only a folder's one user may say
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

    /** Removes what is still under the fresh name, then the lock. */
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
