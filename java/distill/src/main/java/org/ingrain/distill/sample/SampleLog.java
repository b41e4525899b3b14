package org.ingrain.distill.sample;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.files.JsonLog;

/**
 * A file with one line for each finished completion, in the order in which the completions finished. If the process is
 * killed, the last line may be truncated. It is removed when the log is opened again, and its completion is generated
 * again. Only the positions of the lines are in memory; texts are read from the file. This class is not thread-safe.
 */
final class SampleLog implements AutoCloseable {
    /**
     * Interval between forced writes to disk, in nanoseconds. Lines that were appended since the last forced write can
     * be lost only in a power failure or a crash of the operating system.
     */
    private static final long FORCE_EVERY = TimeUnit.SECONDS.toNanos(5);

    private final Path file;
    private final JsonLog log;
    private final Map<SampleKey, Line> lines = new HashMap<>();
    private long tokens;
    private long forced = System.nanoTime();

    private record Line(JsonLog.Place place, int tokens) {
    }

    private SampleLog(Path file) {
        this.file = file;
        log = JsonLog.open(file);
    }

    /** Opens or creates a log. Removes the last line if it is truncated ({@link JsonLog#resume}). */
    static SampleLog open(Path file) {
        SampleLog samples = new SampleLog(file);
        try {
            samples.log.resume(SampleRecord.class, samples::remember);
            return samples;
        } catch (RuntimeException e) {
            samples.close();
            throw e;
        }
    }

    boolean contains(SampleKey key) {
        return lines.containsKey(key);
    }

    int size() {
        return lines.size();
    }

    /** Number of generated tokens of all completions. */
    long tokens() {
        return tokens;
    }

    /** Number of generated tokens of one completion, which must be in the log. */
    int tokens(SampleKey key) {
        return line(key).tokens();
    }

    SampleRecord read(SampleKey key) {
        return log.read(line(key).place(), SampleRecord.class);
    }

    void append(SampleRecord sample) {
        remember(sample, log.append(sample));
        if (System.nanoTime() - forced > FORCE_EVERY) {
            log.force();
            forced = System.nanoTime();
        }
    }

    /**
     * Writes the lines of these completions to {@code out} in the given order. All completions must be in the log.
     */
    void copy(Iterable<SampleKey> order, OutputStream out) throws IOException {
        for (SampleKey key : order) {
            out.write(log.read(line(key).place()));
        }
    }

    @Override
    public void close() {
        log.close();
    }

    private void remember(SampleRecord sample, JsonLog.Place place) {
        lines.put(sample.key(), new Line(place, sample.tokens()));
        tokens += sample.tokens();
    }

    private Line line(SampleKey key) {
        Line line = lines.get(key);
        if (line == null) {
            throw new IllegalStateException(file + " has no line of " + key);
        }
        return line;
    }
}
