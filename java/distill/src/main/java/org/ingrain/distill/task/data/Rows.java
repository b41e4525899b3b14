package org.ingrain.distill.task.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BiConsumer;
import java.util.zip.GZIPInputStream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.LineReader;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.MissingNode;

/**
 * Reads files of rows. A file has one JSON object per line or is one JSON array of objects; both may be gzipped. It may
 * also be a Parquet file.
 */
public final class Rows {
    private static final int GZIP = 0x1f8b;

    private Rows() {
    }

    /** Passes each row to {@code each}, together with the file and the line or row number. */
    public static void forEach(Path file, BiConsumer<JsonNode, String> each) {
        until(file, (row, where) -> {
            each.accept(row, where);
            return true;
        });
    }

    /** The first row; a {@link MissingNode} if the file has no row. */
    public static JsonNode first(Path file) {
        JsonNode[] first = {MissingNode.getInstance()};
        until(file, (row, where) -> {
            first[0] = row;
            return false;
        });
        return first[0];
    }

    /** Receives a row. Returns false to stop reading. */
    public interface Each {
        boolean take(JsonNode row, String where);
    }

    /**
     * Passes each row to {@code each}, together with the file and the line or row number, until {@code each} returns
     * false.
     */
    public static void until(Path file, Each each) {
        if (file.getFileName().toString().endsWith(".parquet")) {
            ParquetRows.until(file, each::take);
            return;
        }
        try (InputStream in = open(file)) {
            LineReader lines = LineReader.kept(in, file.toString());
            String first = "";
            while (first.isBlank() && lines.next()) {
                first = lines.text();
            }
            if (first.stripLeading().startsWith("[")) {
                array(file, first, lines, each);
            } else if (!first.isBlank() && each.take(Json.parse(first, lines.where()), lines.where())) {
                lines(lines, each);
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** Opens a file. Decompresses it if it is gzipped. */
    private static InputStream open(Path file) throws IOException {
        BufferedInputStream in = new BufferedInputStream(Files.newInputStream(file));
        in.mark(2);
        int magic = in.read() << 8 | in.read();
        in.reset();
        return magic == GZIP ? new GZIPInputStream(in) : in;
    }

    private static void lines(LineReader lines, Each each) throws IOException {
        boolean more = true;
        while (more && lines.next()) {
            String line = lines.text();
            more = line.isBlank() || each.take(Json.parse(line, lines.where()), lines.where());
        }
    }

    private static void array(Path file, String first, LineReader lines, Each each) throws IOException {
        StringBuilder text = new StringBuilder(first).append('\n');
        while (lines.next()) {
            text.append(lines.text()).append('\n');
        }
        if (!(Json.parse(text.toString(), file.toString()) instanceof ArrayNode rows)) {
            throw new InputException(file + ": expected a JSON array of objects, or one JSON object per line");
        }
        for (int i = 0; i < rows.size() && each.take(rows.get(i), file + " row " + (i + 1)); i++) {
            continue;
        }
    }
}
