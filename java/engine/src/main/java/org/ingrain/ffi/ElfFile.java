package org.ingrain.ffi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.ingrain.tensor.InputException;

/**
 * Checks a shared library before the dynamic loader maps it. The loader does not compare the file's size with the
 * file's headers, so mapping a truncated file would end the process with SIGBUS. Format: System V ABI, ELF-64 object
 * file format.
 */
public final class ElfFile {
    private static final int HEADER = 64;
    private static final int SEGMENT = 56;
    private static final int SECTION = 64;
    private static final int MAGIC = 0x464c457f;   // 0x7f E L F, little-endian
    private static final int SHARED_OBJECT = 3;
    private static final int X86_64 = 62;
    private static final int WITHOUT_BYTES = 8;   // SHT_NOBITS: the section has no bytes in the file, whatever its size

    private final Path source;
    private final FileChannel channel;
    private final long size;

    private ElfFile(Path source, FileChannel channel) throws IOException {
        this.source = source;
        this.channel = channel;
        size = channel.size();
    }

    /**
     * Requires a shared library for x86-64 whose segments and sections are all within the file.
     *
     * @param source file to name in error messages
     * @throws InputException for any other file
     */
    public static void requireWhole(Path library, Path source) {
        try (FileChannel channel = FileChannel.open(library, StandardOpenOption.READ)) {
            new ElfFile(source, channel).check();
        } catch (IOException e) {
            throw new InputException(source + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private void check() throws IOException {
        if (size < HEADER) {
            throw refused("has " + size + " bytes, too few for an ELF file");
        }
        ByteBuffer header = read(0, HEADER);
        if (header.getInt(0) != MAGIC || header.get(4) != 2 || header.get(5) != 1) {
            throw refused("not a 64-bit little-endian ELF file");
        }
        if (header.getShort(16) != SHARED_OBJECT || header.getShort(18) != X86_64) {
            throw refused("not a shared library for x86-64");
        }
        checkSegments(header.getLong(32), Short.toUnsignedInt(header.getShort(56)), header.getShort(54));
        checkSections(header.getLong(40), Short.toUnsignedInt(header.getShort(60)), header.getShort(58));
    }

    private void checkSegments(long offset, int count, int entry) throws IOException {
        if (count == 0 || entry != SEGMENT) {
            throw refused("has " + count + " segments of " + entry + " bytes each, expected at least one of "
                    + SEGMENT);
        }
        requireWithin("the table of segments", offset, (long) count * SEGMENT);
        ByteBuffer table = read(offset, count * SEGMENT);
        for (int at = 0; at < table.capacity(); at += SEGMENT) {
            requireWithin("a segment", table.getLong(at + 8), table.getLong(at + 32));
        }
    }

    private void checkSections(long offset, int count, int entry) throws IOException {
        if (count == 0) {
            return;
        }
        if (entry != SECTION) {
            throw refused("has sections of " + entry + " bytes each, expected " + SECTION);
        }
        requireWithin("the table of sections", offset, (long) count * SECTION);
        ByteBuffer table = read(offset, count * SECTION);
        for (int at = SECTION; at < table.capacity(); at += SECTION) {   // skips the first entry, which is empty
            if (table.getInt(at + 4) != WITHOUT_BYTES) {
                requireWithin("a section", table.getLong(at + 24), table.getLong(at + 32));
            }
        }
    }

    private void requireWithin(String what, long offset, long bytes) {
        if (offset < 0 || bytes < 0 || offset > size || bytes > size - offset) {
            throw refused(what + " has " + Long.toUnsignedString(bytes) + " bytes at byte "
                    + Long.toUnsignedString(offset) + ", but the file has " + size + " (truncated?)");
        }
    }

    private ByteBuffer read(long offset, int bytes) throws IOException {
        ByteBuffer part = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        while (part.hasRemaining()) {
            if (channel.read(part, offset + part.position()) < 0) {
                throw refused("ends while it is read");
            }
        }
        return part;
    }

    private InputException refused(String reason) {
        return new InputException(source + ": cannot be loaded as a shared library: " + reason);
    }
}
