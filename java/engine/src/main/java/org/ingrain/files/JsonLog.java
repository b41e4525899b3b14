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
 * An append-only file of JSON lines that can be resumed after its process was killed. Appended lines are not lost if
 * the process is killed. If the machine loses power, only the lines before the last call of {@link #force} are safe.
 * Not thread-safe.
 */
public final class JsonLog implements AutoCloseable {
    private final Path file;
    private final FileChannel channel;
    private long end;

    /**
     * The location of a line in the file.
     *
     * @param offset offset of the line's first byte
     * @param length length of the line in bytes, including the line end
     */
    public record Place(long offset, int length) {
    }

    private JsonLog(Path file, FileChannel channel) throws IOException {
        this.file = file;
        this.channel = channel;
        end = channel.size();
    }

    /** Opens a log for appending. Creates the file and its folder if they do not exist. */
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
     * Passes each existing line to {@code each}. An incomplete last line is removed from the file. A last line is
     * incomplete if it has no line end, or if its content is damaged, as after a loss of power.
     *
     * @throws InputException if a line before the last one is damaged, which neither a kill nor a loss of power can
     *         cause
     */
    public <T> void resume(Class<T> type, BiConsumer<T, Place> each) {
        try {
            // The reader is not closed, because that would close the channel.
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

    /** Reads the bytes of a line, including the line end. */
    public byte[] read(Place place) {
        ByteBuffer line = ByteBuffer.allocate(place.length());
        try {
            while (line.hasRemaining() && channel.read(line, place.offset() + line.position()) >= 0) {
                // A channel may return fewer bytes than requested.
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
        return line.array();
    }

    public <T> T read(Place place, Class<T> type) {
        return Json.parse(new String(read(place), StandardCharsets.UTF_8), type, file + " at byte " + place.offset());
    }

    /** Truncates the file to this many bytes. Throws an InputException if the file is shorter. */
    public void cut(long bytes) {
        if (end < bytes) {
            throw new InputException(file + ": has " + end + " bytes, expected at least " + bytes
                    + ", as recorded in the latest checkpoint");
        }
        try {
            channel.truncate(bytes);
            end = bytes;
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
    }

    /** Forces all lines to the disk. Returns the file's size in bytes. */
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
