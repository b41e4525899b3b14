package org.ingrain.files;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Reads and writes files with one JSON value per line. Writing replaces the whole file; {@link JsonLog} appends to a
 * file. Every error is an {@link org.ingrain.tensor.InputException} that names the file. If a line is damaged, the
 * exception names the line too.
 */
public final class JsonLines<T> implements AutoCloseable {
    private final Path file;
    private final Class<T> type;
    private final InputStream in;
    private final LineReader lines;

    private JsonLines(Path file, Class<T> type, InputStream in) {
        this.file = file;
        this.type = type;
        this.in = in;
        lines = new LineReader(in, file.toString());
    }

    /** Opens a file whose values are read one at a time. */
    public static <T> JsonLines<T> open(Path file, Class<T> type) {
        try {
            return new JsonLines<>(file, type, Files.newInputStream(file));
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** Reads the value of the next line. Returns null at the end of the file. */
    public T next() {
        try {
            return lines.next() ? Json.parse(lines.text(), type, lines.where()) : null;
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** The file and the number of the line that was read last. */
    public String where() {
        return lines.where();
    }

    @Override
    public void close() {
        try {
            in.close();
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** Passes each line's value to {@code each}, in order. */
    public static <T> void forEach(Path file, Class<T> type, Consumer<T> each) {
        try (JsonLines<T> lines = open(file, type)) {
            for (T value = lines.next(); value != null; value = lines.next()) {
                each.accept(value);
            }
        }
    }

    public static <T> List<T> read(Path file, Class<T> type) {
        List<T> all = new ArrayList<>();
        forEach(file, type, all::add);
        return all;
    }

    /** Writes {@code value} as one line. */
    public static void write(OutputStream out, Object value) throws IOException {
        out.write(bytes(value));
    }

    /** Writes a file with these values atomically; see {@link DurableFile}. */
    public static void write(Path target, Iterable<?> values) {
        DurableFile.write(target, out -> {
            for (Object value : values) {
                write(out, value);
            }
        });
    }

    static byte[] bytes(Object value) {
        return (Json.line(value) + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
