package org.ingrain.distill.sample;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;

/**
 * The completions that exist so far, one line each in the order in which they ended. A line is written with one call, so that a
 * process that is killed loses nothing it had; what a torn last line held is generated again. Only places are kept in memory, texts
 * are read back from the file. For one thread at a time.
 */
final class SampleLog implements AutoCloseable {
    /** A kill loses nothing, but a machine that loses its power loses what was not forced; so much work may be repeated. */
    private static final long FORCE_EVERY = TimeUnit.SECONDS.toNanos(5);

    private final Path file;
    private final FileChannel channel;
    private final Map<SampleKey, Place> places = new HashMap<>();
    private long end;
    private long tokens;
    private long forced = System.nanoTime();

    private record Place(long offset, int length, int tokens) {
    }

    private SampleLog(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Opens a log or begins one, and cuts off a torn last line.
     *
     * @throws InputException if a line before the last is damaged: that no kill explains
     */
    static SampleLog open(Path file) {
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
            SampleLog log = new SampleLog(file, channel);
            try {
                log.takeUp();
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
            return log;
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
    }

    boolean contains(SampleKey key) {
        return places.containsKey(key);
    }

    int size() {
        return places.size();
    }

    /** Generated tokens of all completions. */
    long tokens() {
        return tokens;
    }

    /** Generated tokens of one of them, which must be here. */
    int tokens(SampleKey key) {
        return place(key).tokens();
    }

    SampleRecord read(SampleKey key) {
        return Json.parse(new String(bytes(key), StandardCharsets.UTF_8), SampleRecord.class, file + ": " + key);
    }

    void append(SampleRecord sample) {
        byte[] line = (Json.line(sample) + "\n").getBytes(StandardCharsets.UTF_8);
        try {
            ByteBuffer rest = ByteBuffer.wrap(line);
            for (long at = end; rest.hasRemaining(); at = end + rest.position()) {
                channel.write(rest, at);
            }
            if (System.nanoTime() - forced > FORCE_EVERY) {
                channel.force(false);
                forced = System.nanoTime();
            }
        } catch (IOException e) {
            throw DurableFile.unwritable(file, e);
        }
        remember(sample, new Place(end, line.length, sample.tokens()));
        end += line.length;
    }

    /** The lines of these completions, all of which must be here, in the order that is asked for. */
    void copy(Iterable<SampleKey> order, OutputStream out) throws IOException {
        for (SampleKey key : order) {
            out.write(bytes(key));
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

    private void takeUp() throws IOException {
        long whole = new LineScan(channel).forEach((number, offset, bytes, last) -> {
            SampleRecord sample;
            try {
                sample = Json.parse(new String(bytes, StandardCharsets.UTF_8), SampleRecord.class, file + " line " + number);
            } catch (InputException e) {
                // After a loss of power the last line may have its end but not its middle.
                if (last) {
                    return false;
                }
                throw e;
            }
            remember(sample, new Place(offset, bytes.length + 1, sample.tokens()));
            return true;
        });
        channel.truncate(whole);
        end = whole;
    }

    private void remember(SampleRecord sample, Place place) {
        places.put(sample.key(), place);
        tokens += sample.tokens();
    }

    private Place place(SampleKey key) {
        Place place = places.get(key);
        if (place == null) {
            throw new IllegalStateException(file + " holds no " + key);
        }
        return place;
    }

    private byte[] bytes(SampleKey key) {
        Place place = place(key);
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
}
