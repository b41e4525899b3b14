package org.ingrain.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/** Folders that are there whole and on the disk, or not at all: written beside, forced, renamed. */
public final class DurableFolder {
    /** Begins the names of what a killed process may leave and nothing reads. */
    private static final String UNFINISHED = ".unfinished-";

    private DurableFolder() {
    }

    /** Puts a folder's files in place. */
    public interface Body {
        public void write(Path folder) throws IOException;
    }

    /** Makes {@code target}, which must not exist. */
    public static void write(Path target, Body body) {
        Path beside = beside(target);
        try {
            Files.createDirectories(beside.getParent());
            delete(beside);
            Files.createDirectory(beside);
            body.write(beside);
            for (Path file : list(beside)) {
                force(file);
            }
            force(beside);
            Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
            force(target.toAbsolutePath().getParent());
        } catch (IOException | RuntimeException failure) {
            discard(beside, failure);
            throw failure instanceof IOException e ? unwritable(target, e) : (RuntimeException) failure;
        }
    }

    /** Removes a folder: at once for whoever looks, whole or not at all. */
    public static void remove(Path target) {
        Path beside = beside(target);
        try {
            delete(beside);
            Files.move(target, beside, StandardCopyOption.ATOMIC_MOVE);
            delete(beside);
        } catch (IOException e) {
            throw unwritable(target, e);
        }
    }

    /** Removes what a killed process left unfinished in a folder. */
    public static void clean(Path folder) {
        try {
            for (Path path : list(folder)) {
                if (path.getFileName().toString().startsWith(UNFINISHED)) {
                    delete(path);
                }
            }
        } catch (IOException e) {
            throw unwritable(folder, e);
        }
    }

    /** What a folder holds, by name; nothing where there is no folder. */
    public static List<Path> list(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    /** Waits until a file, or a folder's list of names, is on the disk. */
    public static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    public static InputException unwritable(Path path, IOException e) {
        return new InputException(path + ": cannot be written: " + reason(e), e);
    }

    public static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file";
        }
        return e instanceof FileSystemException known && known.getReason() != null ? known.getReason() : String.valueOf(e.getMessage());
    }

    private static Path beside(Path target) {
        return target.toAbsolutePath().resolveSibling(UNFINISHED + target.getFileName());
    }

    private static void delete(Path path) throws IOException {
        if (Files.exists(path)) {
            try (Stream<Path> all = Files.walk(path)) {
                for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(each);
                }
            }
        }
    }

    private static void discard(Path path, Exception failure) {
        try {
            delete(path);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }
}
