package org.ingrain.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/**
 * Writes folders atomically and durably. A folder is filled under a temporary name beside its target, forced to the
 * disk and renamed; then the parent folder is forced to the disk. Temporary folders of killed processes are removed
 * when the next file or folder is written into the same parent folder. Temporary folders of running processes are not
 * changed.
 */
public final class DurableFolder {
    private DurableFolder() {
    }

    /** Writes a folder's files. */
    @FunctionalInterface
    public interface Body {
        void writeTo(Path folder) throws IOException;
    }

    /**
     * Creates {@code target} with the files that {@code body} writes.
     *
     * @throws InputException if {@link #requireFree} rejects {@code target}, or if the folder cannot be written
     */
    public static void write(Path target, Body body) {
        requireFree(target);
        try {
            Path place = Files.exists(target) ? target.toRealPath() : target.toAbsolutePath();
            make(place.getParent());
            try (Unfinished fresh = Unfinished.begin(place.getParent())) {
                Files.createDirectory(fresh.path());
                body.writeTo(fresh.path());
                for (Path each : tree(fresh.path())) {
                    force(each);
                }
                Files.move(fresh.path(), place, StandardCopyOption.ATOMIC_MOVE);
                force(place.getParent());
            }
        } catch (IOException e) {
            throw DurableFile.unwritable(target, e);
        }
    }

    /**
     * Throws an InputException if {@code target} exists and is not an empty folder, or if it is the working folder.
     * Call this method before a long computation that writes {@code target}.
     */
    public static void requireFree(Path target) {
        if (target.toAbsolutePath().normalize().equals(Path.of("").toAbsolutePath())) {
            // The working folder would be replaced by a new folder, but the user's shell would remain in the old one.
            throw new InputException(target + ": is the working folder, expected a new folder");
        }
        boolean there = Files.exists(target, LinkOption.NOFOLLOW_LINKS);
        if (there && !(Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS) && list(target).isEmpty())) {
            throw new InputException(target + ": is already there, expected a new folder");
        }
    }

    /**
     * Deletes a folder recursively. The folder is renamed first. Therefore, if the process is killed, {@code target} is
     * either complete or absent.
     */
    public static void remove(Path target) {
        Path beside = Unfinished.beside(target);
        try {
            Files.move(target, beside, StandardCopyOption.ATOMIC_MOVE);
            delete(beside);
        } catch (IOException e) {
            throw DurableFile.unwritable(target, e);
        }
    }

    /** The entries of a folder, sorted by name; empty if the folder does not exist. */
    public static List<Path> list(Path folder) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw DurableFile.unreadable(folder, e);
        }
    }

    /** Creates a folder and its missing parents durably. */
    static void make(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            Path above = folder.toAbsolutePath().getParent();
            make(above);
            Files.createDirectories(folder);
            force(above);
        }
    }

    /** Forces a file's content, or a folder's directory entries, to the disk. */
    static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Deletes a file, or deletes a folder recursively. Does not follow links. */
    static void delete(Path path) throws IOException {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            for (Path each : tree(path)) {
                Files.delete(each);
            }
        }
    }

    /** Lists {@code top} and all files and folders below it. Each folder comes after its content. */
    private static List<Path> tree(Path top) throws IOException {
        try (Stream<Path> all = Files.walk(top)) {
            return all.sorted(Comparator.reverseOrder()).toList();
        }
    }
}
