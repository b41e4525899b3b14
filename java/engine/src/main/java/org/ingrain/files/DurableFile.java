package org.ingrain.files;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.ingrain.tensor.InputException;

/** Files that are either there, whole and on the disk, or not there at all: written beside, forced, renamed, the folder forced. */
public final class DurableFile {
    private DurableFile() {
    }

    /** Writes a file's content. */
    @FunctionalInterface
    public interface Body {
        void writeTo(OutputStream out) throws IOException;
    }

    public static void write(Path target, String text) {
        write(target, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    /**
     * Replaces {@code target} by what {@code body} writes, making its folder where needed.
     *
     * @throws InputException if the file cannot be written (no room, no right); nothing is then left in its place
     */
    public static void write(Path target, Body body) {
        Path beside = target.resolveSibling(target.getFileName() + ".tmp");
        try {
            Files.createDirectories(target.toAbsolutePath().getParent());
            try (FileChannel channel = FileChannel.open(beside, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE)) {
                OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
                body.writeTo(out);
                out.flush();
                channel.force(true);
            }
            Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            force(target.toAbsolutePath().getParent());
        } catch (IOException e) {
            discard(beside);
            throw unwritable(target, e);
        }
    }

    /** Removes a file, if there, durably. */
    public static void delete(Path file) {
        try {
            if (Files.deleteIfExists(file)) {
                force(file.toAbsolutePath().getParent());
            }
        } catch (IOException e) {
            throw unwritable(file, e);
        }
    }

    public static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    public static InputException unreadable(Path file, IOException e) {
        return new InputException(file + ": cannot be read: " + reason(e), e);
    }

    public static InputException unwritable(Path file, IOException e) {
        return new InputException(file + ": cannot be written: " + reason(e), e);
    }

    private static void force(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void discard(Path beside) {
        try {
            Files.deleteIfExists(beside);
        } catch (IOException e) {
            // The failure that brought us here is the one to report; a stray .tmp is overwritten next time.
        }
    }

    private static String reason(IOException e) {
        if (e instanceof java.nio.file.NoSuchFileException) {
            return "no such file";
        }
        if (e instanceof java.nio.charset.CharacterCodingException) {
            return "not UTF-8";
        }
        if (e instanceof FileSystemException known && known.getReason() != null) {
            return known.getReason();
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }
}
