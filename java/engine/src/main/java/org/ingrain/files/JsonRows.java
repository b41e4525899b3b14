package org.ingrain.files;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads files of rows. A file has one JSON value per line, or is one JSON array, and may be gzipped. */
public final class JsonRows {
    private static final int GZIP = 0x1f8b;
    private static final byte[] BYTE_ORDER_MARK = "\ufeff".getBytes(StandardCharsets.UTF_8);
    /** A file is recognised as an array if the array starts within this number of bytes. */
    private static final int LOOK_AHEAD = 1 << 20;

    private JsonRows() {
    }

    /** Receives a row; returns false to stop reading. */
    public interface Each {
        boolean take(JsonNode row, String where);
    }

    /**
     * Passes each row to {@code each}, together with the file name and the number of the row's line or array element,
     * until {@code each} returns false. Blank lines are skipped.
     *
     * @throws InputException if the file cannot be read, or if a row is not JSON or has a duplicate key
     */
    public static void until(Path file, Each each) {
        try (BufferedInputStream in = new BufferedInputStream(open(file))) {
            in.mark(LOOK_AHEAD + BYTE_ORDER_MARK.length);
            boolean array = startsArray(in);
            in.reset();
            LineReader lines = LineReader.kept(in, file.toString());
            if (array) {
                array(file, lines, each);
            } else {
                lines(lines, each);
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** Opens a file. If the file is gzipped, the stream yields the unpacked content. */
    private static InputStream open(Path file) throws IOException {
        BufferedInputStream in = new BufferedInputStream(Files.newInputStream(file));
        in.mark(2);
        int magic = in.read() << 8 | in.read();
        in.reset();
        return magic == GZIP ? new GZIPInputStream(in) : in;
    }

    private static boolean startsArray(InputStream in) throws IOException {
        int first = in.read();
        for (int i = 0; i < BYTE_ORDER_MARK.length && first == (BYTE_ORDER_MARK[i] & 0xff); i++) {
            first = in.read();
        }
        for (int i = 1; i < LOOK_AHEAD && first >= 0 && Character.isWhitespace(first); i++) {
            first = in.read();
        }
        return first == '[';
    }

    private static void lines(LineReader lines, Each each) throws IOException {
        boolean more = true;
        while (more && lines.next()) {
            String line = lines.text();
            more = line.isBlank() || each.take(parse(line, lines.where()), lines.where());
        }
    }

    private static void array(Path file, LineReader lines, Each each) throws IOException {
        StringBuilder text = new StringBuilder();
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
