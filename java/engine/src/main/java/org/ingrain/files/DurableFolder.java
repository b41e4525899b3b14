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
 * Folders that are whole and on the disk, or not there at all. A folder is filled under a fresh name beside its place,
 * forced to the disk and renamed; then the folder above is forced. What a killed process left is removed when the next
 * folder is written to the same place above; what a running process writes is not touched.
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
     * Makes {@code target} with what {@code body} writes.
     *
     * @throws InputException if {@code target} is there and not an empty folder, or cannot be written
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

    /** Refuses a target that {@link #write} would refuse: for the output of a long computation, before it begins. */
    public static void requireFree(Path target) {
        boolean there = Files.exists(target, LinkOption.NOFOLLOW_LINKS);
        if (there && !(Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS) && list(target).isEmpty())) {
            throw new InputException(target + ": is already there, expected a new folder");
        }
    }

    /** Removes a folder with all that is in it. A reader sees all of it or nothing, also after a kill. */
    public static void remove(Path target) {
        Path beside = Unfinished.beside(target);
        try {
            Files.move(target, beside, StandardCopyOption.ATOMIC_MOVE);
            delete(beside);
        } catch (IOException e) {
            throw DurableFile.unwritable(target, e);
        }
    }

    /** What a folder holds, by name; nothing where there is no folder. */
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

    /** Makes a folder and those above it, where they are not there, durably. */
    static void make(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            Path above = folder.toAbsolutePath().getParent();
            make(above);
            Files.createDirectories(folder);
            force(above);
        }
    }

    /** Waits until a file's content, or a folder's list of names, is on the disk. */
    static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Removes a file, or a folder with all that is in it; follows no link. */
    static void delete(Path path) throws IOException {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            for (Path each : tree(path)) {
                Files.delete(each);
            }
        }
    }

    /** All files and folders from the deepest to {@code top}. */
    private static List<Path> tree(Path top) throws IOException {
        try (Stream<Path> all = Files.walk(top)) {
            return all.sorted(Comparator.reverseOrder()).toList();
        }
    }
}
