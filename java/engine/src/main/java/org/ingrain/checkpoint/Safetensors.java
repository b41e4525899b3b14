package org.ingrain.checkpoint;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.ingrain.tensor.InputException;

/**
 * One safetensors file, mapped read-only. Opening reads only the header; a tensor's bytes are read on access. Opening
 * checks the header, all offsets and all byte counts. If a check fails, opening throws an InputException that names the
 * file and, if one tensor is invalid, this tensor. Several threads may read at the same time. After close, access to a
 * tensor's bytes throws an IllegalStateException. Format: github.com/huggingface/safetensors, README.
 */
public final class Safetensors implements AutoCloseable {
    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final long LARGEST_READ = 1L << 30;

    private final Path file;
    private final Arena arena;
    private final FileChannel channel;
    private final long bytes;
    private final MemorySegment data;
    private final SafetensorsHeader header;

    private Safetensors(Path file, FileChannel channel, Arena arena) throws IOException {
        this.file = file;
        this.arena = arena;
        this.channel = channel;
        MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        long size = mapped.byteSize();
        bytes = size;
        if (size < Long.BYTES) {
            throw new InputException(file + ": has " + size + " bytes, too few for a safetensors file (truncated?)");
        }
        long length = mapped.get(LENGTH, 0);
        if (length < 0 || length > SafetensorsHeader.LONGEST) {
            throw new InputException(file + ": the header claims " + Long.toUnsignedString(length)
                    + " bytes, expected at most "
                    + SafetensorsHeader.LONGEST + " (not a safetensors file?)");
        }
        if (length > size - Long.BYTES) {
            throw new InputException(file + ": the header claims " + length + " bytes, but the file has " + size
                    + " (truncated?)");
        }
        byte[] json = mapped.asSlice(Long.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        data = mapped.asSlice(Long.BYTES + length);
        header = SafetensorsHeader.parse(file, json, data.byteSize());
    }

    /** Maps and checks a file. */
    public static Safetensors open(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new InputException(file + ": " + (Files.exists(file) ? "not a file" : "no such file"));
        }
        Arena arena = Arena.ofShared();
        FileChannel channel = null;
        try {
            channel = FileChannel.open(file, StandardOpenOption.READ);
            return new Safetensors(file, channel, arena);
        } catch (IOException | InternalError unreadable) {   // InternalError: a page of the header cannot be read
            release(arena, channel);
            throw new InputException(file + ": cannot be read: " + unreadable.getMessage(), unreadable);
        } catch (RuntimeException refused) {
            release(arena, channel);
            throw refused;
        }
    }

    private static void release(Arena arena, FileChannel channel) {
        arena.close();
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);   // not expected, because the file was only read
        }
    }

    public Path file() {
        return file;
    }

    /** The names of the tensors, in the order in which the tensors are stored in the file. */
    public Set<String> names() {
        return Collections.unmodifiableSet(header.tensors().keySet());
    }

    /** The metadata entries of the header, such as {@code format: pt}. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(header.metadata());
    }

    public TensorInfo info(String name) {
        TensorInfo info = header.tensors().get(name);
        if (info == null) {
            throw new InputException(file + ": tensor '" + name + "' is missing");
        }
        return info;
    }

    /**
     * The little-endian bytes of a tensor, read-only and valid until close. The format does not guarantee alignment, so
     * callers must use an unaligned layout.
     */
    public MemorySegment data(String name) {
        TensorInfo info = info(name);
        return data.asSlice(info.begin(), info.bytes());
    }

    /**
     * Reads bytes of a tensor, from {@code offset} on, until {@code target} is full. {@code target} is native memory.
     * This method reads the file instead of copying from the mapping, because the accessed pages of a mapping count as
     * memory of the process.
     *
     * @throws InputException if the bytes cannot be read
     */
    void read(String name, long offset, MemorySegment target) {
        long at = bytes - data.byteSize() + info(name).begin() + offset;
        for (long done = 0; done < target.byteSize();) {
            long count = Math.min(LARGEST_READ, target.byteSize() - done);
            try {
                int read = channel.read(target.asSlice(done, count).asByteBuffer(), at + done);
                if (read < 0) {
                    requireWhole();
                    throw new EOFException("ends before tensor '" + name + "'");
                }
                done += read;
            } catch (IOException unreadable) {
                throw new InputException(file + ": cannot be read: " + unreadable.getMessage(), unreadable);
            }
        }
    }

    /**
     * Runs work that reads the bytes of files.
     *
     * @throws InputException if a file was truncated while {@code work} was running, or if bytes of a file cannot be
     *         read; the message names the file. In this case, {@code work} may have read zeros instead of these bytes
     */
    static <R> R reading(Collection<Safetensors> files, Supplier<R> work) {
        try {
            R result = work.get();
            files.forEach(Safetensors::requireWhole);
            return result;
        } catch (InternalError unreadable) {   // Java throws this for a page that cannot be read
            files.forEach(Safetensors::requireWhole);
            throw new InputException(files.stream().map(file -> file.file.toString()).collect(Collectors.joining(", "))
                    + ": cannot be read: " + unreadable.getMessage(), unreadable);
        }
    }

    private void requireWhole() {
        try {
            if (Files.size(file) < bytes) {
                throw new InputException(file + ": has " + Files.size(file) + " bytes, expected " + bytes
                        + " as when it was opened (truncated meanwhile?)");
            }
        } catch (IOException unreadable) {
            throw new InputException(file + ": cannot be read: " + unreadable.getMessage(), unreadable);
        }
    }

    @Override
    public void close() {
        release(arena, channel);
    }
}
