package org.ingrain.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.BiConsumer;
import org.ingrain.tensor.InputException;

/**
 * A file of JSON lines that grows line by line and can be continued after a kill. A line that was appended survives
 * the end of the process; it survives a loss of power once it was forced. For one thread at a time.
 */
public final class JsonLog implements AutoCloseable {
    private final Path file;
    private final FileChannel channel;
    private long end;

    /**
     * Where a line lies.
     *
     * @param offset of its first byte
     * @param length in bytes, its end included
     */
    public record Place(long offset, int length) {
    }

    private JsonLog(Path file, FileChannel channel) throws IOException {
        this.file = file;
        this.channel = channel;
        end = channel.size();
    }

    /** Opens a log to append to, or begins one; makes its folder where there is none. */
    public static JsonLog open(Path file) {
        DurableFile.requireReplaceable(file);
        try {
            DurableFolder.make(file.toAbsolutePath().getParent());
            return new JsonLog(file, FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ,
                    StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
    }

    /**
     * Hands over each line that an earlier process wrote, and cuts off a torn last one: one without an end or, after a
     * loss of power, one that has its end but not its middle.
     *
     * @throws InputException if a line before the last is damaged, which no kill explains
     */
    public <T> void resume(Class<T> type, BiConsumer<T, Place> each) {
        try {
            // Not closed: that would close the channel.
            LineReader lines = new LineReader(Channels.newInputStream(channel.position(0)), file.toString());
            long whole = 0;
            while (lines.next() && lines.ended()) {
                T value;
                try {
                    value = Json.parse(lines.text(), type, lines.where());
                } catch (InputException e) {
                    if (lines.end() == end) {
                        break;
                    }
                    throw e;
                }
                each.accept(value, new Place(lines.offset(), (int) (lines.end() - lines.offset())));
                whole = lines.end();
            }
            channel.truncate(whole);
            end = whole;
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** Appends {@code value} as one line. */
    public Place append(Object value) {
        byte[] line = JsonLines.bytes(value);
        try {
            ByteBuffer rest = ByteBuffer.wrap(line);
            while (rest.hasRemaining()) {
                channel.write(rest, end + rest.position());
            }
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
        Place place = new Place(end, line.length);
        end += line.length;
        return place;
    }

    /** A line as it stands, its end included. */
    public byte[] read(Place place) {
        ByteBuffer line = ByteBuffer.allocate(place.length());
        try {
            while (line.hasRemaining() && channel.read(line, place.offset() + line.position()) >= 0) {
                // A channel may give less than was asked.
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
        return line.array();
    }

    public <T> T read(Place place, Class<T> type) {
        return Json.parse(new String(read(place), StandardCharsets.UTF_8), type, file + " at byte " + place.offset());
    }

    /** Drops what was written after this many bytes. */
    public void cut(long bytes) {
        if (end < bytes) {
            throw new InputException(file + ": has " + end + " bytes, expected at least " + bytes
                    + " by the latest checkpoint");
        }
        try {
            channel.truncate(bytes);
            end = bytes;
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
    }

    /** Waits until the lines so far are on the disk; returns their bytes. */
    public long force() {
        try {
            channel.force(true);
            return end;
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
    }
}
