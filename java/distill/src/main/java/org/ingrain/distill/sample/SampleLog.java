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
 * The completions that exist so far, one line each in the order in which they ended. A process that is killed loses
 * nothing it had; what a torn last line held is generated again. Only places are kept in memory, texts are read back
 * from the file. For one thread at a time.
 */
final class SampleLog implements AutoCloseable {
    /**
     * A kill loses nothing, but a machine that loses its power loses what was not forced; so much work may be repeated.
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

    /** Opens a log or begins one, and cuts off a torn last line, as {@link JsonLog#resume} does. */
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

    /** Generated tokens of all completions. */
    long tokens() {
        return tokens;
    }

    /** Generated tokens of one of them, which must be here. */
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

    /** The lines of these completions, all of which must be here, in the order that is asked for. */
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
            throw new IllegalStateException(file + " holds no " + key);
        }
        return line;
    }
}
