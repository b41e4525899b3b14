package org.ingrain.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A lock file, which at most one process holds. The file contains the process id of the holder. The holder empties the
 * file when it releases the lock. If the holder is killed, its process id remains in the file.
 */
final class LockFile implements AutoCloseable {
    private final FileChannel channel;
    private boolean held;

    /** Opens the file, or creates it if it does not exist. Does not lock it. */
    LockFile(Path file) throws IOException {
        channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE,
                LinkOption.NOFOLLOW_LINKS);
    }

    /** Locks the file. Returns false if another process, or another object of this process, holds the lock. */
    boolean tryHold() throws IOException {
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
        ByteBuffer bytes = ByteBuffer.allocate(32);
        channel.read(bytes, 0);
        String number = StandardCharsets.US_ASCII.decode(bytes.flip()).toString().strip();
        return number.matches("[0-9]+") ? "process " + number : "another process";
    }

    @Override
    public void close() throws IOException {
        try (channel) {
            if (held) {
                channel.truncate(0);
            }
        }
    }
}
