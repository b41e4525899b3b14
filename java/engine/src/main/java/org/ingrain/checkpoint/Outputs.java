package org.ingrain.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.ingrain.tensor.InputException;

/** Files that are there whole or not at all: written beside their place, forced to the disk, then moved there. */
public final class Outputs {
    private Outputs() {
    }

    /** Writes a text file; an InputException names it where that cannot be done (no folder, no right, a full disk). */
    public static void write(Path file, String text) {
        write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    public static void write(Path file, byte[] bytes) {
        write(file, channel -> {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        });
    }

    /** Writes a file piece by piece. */
    public static void write(Path file, Content content) {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        try {
            try (FileChannel channel = FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                channel.force(true);
            }
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            delete(part);
            throw new InputException(file + ": cannot be written: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            delete(part);
            throw e;
        }
    }

    /** What a file is to hold. */
    public interface Content {
        void writeTo(WritableByteChannel out) throws IOException;
    }

    private static void delete(Path part) {
        try {
            Files.deleteIfExists(part);
        } catch (IOException ignored) {
            // The write's own failure is the one to report.
        }
    }
}
