package org.ingrain.files;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;

/**
 * Files that are written and read through a mapping. A file consists of a header, which is padded to whole pages, and
 * its content. It is written under a temporary name, forced to the disk and renamed, so it is either complete or
 * absent. Temporary files of ended processes are removed when the next file is written into the same folder.
 */
public final class DurableMapping {
    private static final int PAGE = 4096;
    private static final int PIECE = 4 << 20;

    private DurableMapping() {
    }

    /**
     * Maps the content of a file, read-only. Returns an empty result if there is no such file, or if it has another
     * header or another size. Reads only the header.
     */
    public static Optional<MemorySegment> open(Path file, byte[] header, long bytes, Arena arena) {
        if (!Files.isRegularFile(file)) {
            return Optional.empty();
        }
        byte[] expected = padded(header);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer found = ByteBuffer.allocate(expected.length);
            while (found.hasRemaining() && channel.read(found) >= 0) {
                continue;
            }
            boolean same = Arrays.equals(found.array(), expected) && channel.size() == expected.length + bytes;
            return same ? Optional.of(channel.map(FileChannel.MapMode.READ_ONLY, expected.length, bytes, arena))
                    : Optional.empty();
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /**
     * Creates or replaces a file. The mapping of the content remains valid until the arena is closed.
     *
     * @param fill fills the content, which is zero at first. The method returns the result of {@code fill}. If {@code
     *             fill} throws, no file is written
     * @throws org.ingrain.tensor.InputException if the file cannot be written, for example because the disk is full
     */
    public static <R> R write(Path target, byte[] header, long bytes, Arena arena, Function<MemorySegment, R> fill) {
        DurableFile.requireReplaceable(target);
        Path folder = target.toAbsolutePath().getParent();
        byte[] first = padded(header);
        try {
            DurableFolder.make(folder);
            try (Unfinished fresh = Unfinished.begin(folder);
                    FileChannel channel = FileChannel.open(fresh.path(), StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
                write(channel, ByteBuffer.wrap(first));
                // Zeros are written first. If the file had holes, a write to the mapping would end the process when
                // the disk is full.
                ByteBuffer zeros = ByteBuffer.allocateDirect(PIECE);
                for (long done = 0; done < bytes; done += PIECE) {
                    write(channel, zeros.clear().limit((int) Math.min(PIECE, bytes - done)));
                }
                MemorySegment content = channel.map(FileChannel.MapMode.READ_WRITE, first.length, bytes, arena);
                R result = fill.apply(content);
                content.force();
                channel.force(true);
                Files.move(fresh.path(), target, StandardCopyOption.ATOMIC_MOVE);
                DurableFolder.force(folder);
                return result;
            }
        } catch (IOException e) {
            throw DurableFile.unwritable(target, e);
        }
    }

    private static byte[] padded(byte[] header) {
        return Arrays.copyOf(header, Math.max(1, Math.ceilDiv(header.length, PAGE)) * PAGE);
    }

    private static void write(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
