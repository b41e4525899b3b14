package org.ingrain.files;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads files of rows. A file has one JSON value per line, or is one JSON array, and may be gzipped. */
public final class JsonRows {
    private JsonRows() {
    }

    /** Receives a row; returns false to stop reading. */
    public interface Each {
        boolean take(JsonNode row, String where);
    }

    /**
     * Passes the rows to {@code each}, until {@code each} returns false. Also passes the location of each row: the file
     * name and the number of the line or array element. Blank lines are skipped.
     *
     * @throws InputException if the file cannot be read, or if a row is not JSON or has a duplicate key
     */
    public static void until(Path file, Each each) {
        try (InputStream in = InputFile.unpacked(file)) {
            LineReader lines = LineReader.kept(in, file.toString());
            String first = "";
            while (first.isBlank() && lines.next()) {
                first = lines.text();
            }
            if (first.stripLeading().startsWith("[")) {
                array(file, first, lines, each);
            } else if (!first.isBlank() && each.take(parse(first, lines.where()), lines.where())) {
                lines(lines, each);
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    private static void lines(LineReader lines, Each each) throws IOException {
        boolean more = true;
        while (more && lines.next()) {
            String line = lines.text();
            more = line.isBlank() || each.take(parse(line, lines.where()), lines.where());
        }
    }

    private static void array(Path file, String first, LineReader lines, Each each) throws IOException {
        StringBuilder text = new StringBuilder(first).append('\n');
        while (lines.next()) {
            text.append(lines.text()).append('\n');
        }
        JsonNode rows = parse(text.toString(), file.toString());
        for (int i = 0; i < rows.size() && each.take(rows.get(i), file + " row " + (i + 1)); i++) {
            continue;
        }
    }

    private static JsonNode parse(String json, String where) {
        return Json.parseStrictly(json.getBytes(StandardCharsets.UTF_8), where);
    }
}
