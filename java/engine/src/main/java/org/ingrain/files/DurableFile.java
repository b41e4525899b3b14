package org.ingrain.files;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.ingrain.tensor.InputException;

/**
 * Writes files atomically and durably. A file is written under a temporary name in the same folder, forced to the disk
 * (fsync) and renamed. Then the folder is forced to the disk. If writing fails, the old file is unchanged. If the
 * process is killed, either the old or the new file exists afterwards. The temporary file of a killed process remains
 * until the next file or folder is written into the same folder. Temporary files of running processes are not changed.
 *
 * <p>Only a regular file is replaced. A link, a folder, a device and a pipe are rejected.
 */
public final class DurableFile {
    private DurableFile() {
    }

    /** Writes a file's content. */
    @FunctionalInterface
    public interface Body {
        void writeTo(OutputStream out) throws IOException;
    }

    /** Writes a file's content to a channel without a buffer. The implementation should write large pieces. */
    @FunctionalInterface
    public interface Pieces {
        void writeTo(FileChannel channel) throws IOException;
    }

    /** Replaces {@code target} with a text in UTF-8; see {@link #write(Path, Body)}. */
    public static void write(Path target, String text) {
        write(target, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    /**
     * Replaces {@code target} with the content that {@code body} writes. Creates the parent folder if it does not
     * exist.
     *
     * @throws InputException if the file cannot be written, or if {@code target} is not a regular file
     */
    public static void write(Path target, Body body) {
        writePieces(target, channel -> {
            OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
            body.writeTo(out);
            out.flush();
        });
    }

    /**
     * Replaces {@code target} with the content that {@code pieces} writes, without buffering; see {@link #write(Path,
     * Body)}.
     */
    public static void writePieces(Path target, Pieces pieces) {
        replace(target, fresh -> {
            try (FileChannel channel = FileChannel.open(
                    fresh, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
                pieces.writeTo(channel);
                channel.force(true);
            }
        });
    }

    /** Creates a file with its whole content. */
    private interface Creation {
        void create(Path fresh) throws IOException;
    }

    /** Creates a file under a temporary name and moves it to {@code target}. */
    private static void replace(Path target, Creation creation) {
        requireReplaceable(target);
        Path folder = target.toAbsolutePath().getParent();
        try {
            DurableFolder.make(folder);
            try (Unfinished fresh = Unfinished.begin(folder)) {
                creation.create(fresh.path());
                Files.move(fresh.path(), target, StandardCopyOption.ATOMIC_MOVE);
                DurableFolder.force(folder);
            }
        } catch (IOException e) {
            throw unwritable(target, e);
        }
    }

    /**
     * Throws an InputException if {@link #write(Path, Body)} would reject the target, or if the target's parent folder
     * does not exist or is not writable. Call this method before a long computation that writes the target.
     *
     * @param inputs files and folders that the computation reads; null elements are ignored. A target is rejected if it
     *               is one of the inputs or an existing file in one of the input folders
     */
    public static void requireOutput(Path target, Path... inputs) {
        requireReplaceable(target);
        for (Path input : inputs) {
            if (input != null && isIn(target, input)) {
                throw new InputException(target + ": is also an input, expected another file");
            }
        }
        Path folder = target.toAbsolutePath().getParent();
        if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
            throw new InputException(target + ": cannot be written: " + folder
                    + " is not a writable folder");
        }
    }

    private static boolean isIn(Path target, Path input) {
        try {
            return Files.exists(target) && Files.exists(input) && (Files.isSameFile(target, input)
                    || Files.isDirectory(input) && Files.isSameFile(target.toAbsolutePath().getParent(), input));
        } catch (IOException e) {
            throw unreadable(target, e);
        }
    }

    static void requireReplaceable(Path target) {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)
                && !Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS)) {
            String kind = Files.isSymbolicLink(target) ? "a symbolic link" : Files.isDirectory(target)
                    ? "a folder" : "a device or a pipe";
            throw new InputException(target + ": is " + kind + ", expected a regular file or a new name");
        }
    }

    /**
     * Makes {@code target} a hard link to the file {@code source}. If the file system has no hard links, or if the two
     * paths are on different file systems, makes {@code target} a copy of the file. If {@code target} exists, it is
     * replaced.
     *
     * @throws InputException if the source cannot be read or the target cannot be written
     */
    public static void link(Path source, Path target) {
        InputFile.requireRegular(source);
        try (FileChannel _ = FileChannel.open(source, StandardOpenOption.READ)) {
            Path real = source.toRealPath();
            replace(target, fresh -> {
                try {
                    Files.createLink(fresh, real);
                } catch (UnsupportedOperationException | FileSystemException e) {
                    Files.copy(real, fresh);
                    DurableFolder.force(fresh);
                }
            });
        } catch (IOException e) {
            throw unreadable(source, e);
        }
    }

    /** Appends {@code text} in UTF-8 without forcing it to the disk. This method is used for logs. */
    public static void append(Path file, String text) {
        try {
            Files.write(file, text.getBytes(StandardCharsets.UTF_8), StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND, LinkOption.NOFOLLOW_LINKS);
        } catch (IOException e) {
            throw unwritable(file, e);
        }
    }

    /** Deletes a file durably, if it exists. */
    public static void delete(Path file) {
        try {
            if (Files.deleteIfExists(file)) {
                DurableFolder.force(file.toAbsolutePath().getParent());
            }
        } catch (IOException e) {
            throw unwritable(file, e);
        }
    }

    /** Reads a UTF-8 text file. A byte order mark is removed. */
    public static String read(Path file) {
        InputFile.requireRegular(file);
        try {
            return LineReader.withoutMark(Files.readString(file));
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

    static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException missing -> "no such file";
            case FileAlreadyExistsException other -> other.getFile() + " is in the way";
            case AccessDeniedException denied -> "permission denied";
            case CharacterCodingException coding -> "not UTF-8";
            case FileSystemException known when known.getReason() != null -> known.getReason();
            default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        };
    }
}
