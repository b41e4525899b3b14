package org.ingrain.files;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Files of one JSON value a line. */
public final class JsonLines {
    private JsonLines() {
    }

    /** Appends {@code value} as one line. */
    public static void write(OutputStream out, Object value) throws IOException {
        out.write((Json.line(value) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    public static void write(Path target, Iterable<?> values) {
        DurableFile.write(target, out -> {
            for (Object value : values) {
                write(out, value);
            }
        });
    }

    /**
     * Hands over each line's value, in order.
     *
     * @throws org.ingrain.tensor.InputException if a line does not hold a {@code type}; the message has file and line number
     */
    public static <T> void forEach(Path file, Class<T> type, Consumer<T> each) {
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            int number = 0;
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                number++;
                each.accept(Json.parse(line, type, file + " line " + number));
            }
        } catch (UncheckedIOException e) {
            throw DurableFile.unreadable(file, e.getCause());
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    public static <T> List<T> read(Path file, Class<T> type) {
        List<T> all = new ArrayList<>();
        forEach(file, type, all::add);
        return all;
    }
}
