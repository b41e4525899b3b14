package org.ingrain.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A lock file, which at most one process holds. The file contains the process id of the holder. The holder empties the
 * file when it releases the lock. If the holder is killed, its process id remains in the file.
 */
final class LockFile implements AutoCloseable {
    /**
     * The lock files that are open in this process. A file is not opened twice, because closing one of two channels
     * would release the lock of the other one (POSIX fcntl).
     */
    private static final Set<Path> OPEN = ConcurrentHashMap.newKeySet();

    private final Path file;
    /** Null if another object of this process has opened the file. */
    private final FileChannel channel;
    private boolean held;

    private LockFile(Path file, OpenOption... creation) throws IOException {
        this.file = file.toAbsolutePath().getParent().toRealPath().resolve(file.getFileName());
        if (!OPEN.add(this.file)) {
            channel = null;
            return;
        }
        try {
            Set<OpenOption> options = new HashSet<>(List.of(creation));
            options.addAll(Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
            channel = FileChannel.open(file, options);
        } catch (IOException | RuntimeException e) {
            OPEN.remove(this.file);
            throw e;
        }
    }

    /** Opens a file, or creates it if it does not exist. Does not lock it. */
    static LockFile open(Path file) throws IOException {
        return new LockFile(file, StandardOpenOption.CREATE);
    }

    /** Opens an existing file. Does not lock it. */
    static LockFile openExisting(Path file) throws IOException {
        return new LockFile(file);
    }

    /** Locks the file. Returns false if another process, or another object of this process, holds the lock. */
    boolean tryHold() throws IOException {
        if (channel == null) {
            return false;
        }
        try {
            held = channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            held = false;
        }
        if (held) {
            channel.truncate(0);
            channel.write(StandardCharsets.US_ASCII.encode(ProcessHandle.current().pid() + "\n"), 0);
        }
        return held;
    }

    /** The holder of the lock: {@code process 1234}, or {@code another process} if the file contains no process id. */
    String holder() throws IOException {
        if (channel == null) {
            return "process " + ProcessHandle.current().pid();
        }
        ByteBuffer bytes = ByteBuffer.allocate(32);
        channel.read(bytes, 0);
        String number = StandardCharsets.US_ASCII.decode(bytes.flip()).toString().strip();
        return number.matches("[0-9]+") ? "process " + number : "another process";
    }

    @Override
    public void close() throws IOException {
        if (channel == null) {
            return;
        }
        try (channel) {
            if (held) {
                channel.truncate(0);
            }
        } finally {
            OPEN.remove(file);
        }
    }
}
