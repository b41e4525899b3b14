package org.ingrain.distill.task.data;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BiConsumer;
import java.util.zip.GZIPInputStream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.MissingNode;

/** Reads files of rows: one JSON object a line, one JSON array of objects, either gzipped, or Parquet. */
public final class Rows {
    private static final int GZIP = 0x1f8b;

    private Rows() {
    }

    /** Hands over each row, with its file and line. */
    public static void forEach(Path file, BiConsumer<JsonNode, String> each) {
        until(file, (row, where) -> {
            each.accept(row, where);
            return true;
        });
    }

    /** The first row; missing if there is none. */
    public static JsonNode first(Path file) {
        JsonNode[] first = {MissingNode.getInstance()};
        until(file, (row, where) -> {
            first[0] = row;
            return false;
        });
        return first[0];
    }

    /** Takes a row; false ends the reading. */
    public interface Each {
        boolean take(JsonNode row, String where);
    }

    /** Hands over each row, with its file and line, until one is answered with false. */
    public static void until(Path file, Each each) {
        if (file.getFileName().toString().endsWith(".parquet")) {
            ParquetRows.until(file, each::take);
            return;
        }
        // A character a byte: each line is decoded by itself, so that bytes that are not UTF-8 are refused with their line.
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(open(file), StandardCharsets.ISO_8859_1))) {
            reader.mark(1 << 12);
            int first = reader.read();
            while (first >= 0 && Character.isWhitespace(first)) {
                first = reader.read();
            }
            reader.reset();
            if (first == '[') {
                array(file, reader, each);
            } else {
                lines(file, reader, each);
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** Unpacked, where it is gzipped. */
    private static InputStream open(Path file) throws IOException {
        BufferedInputStream in = new BufferedInputStream(Files.newInputStream(file));
        in.mark(2);
        int magic = in.read() << 8 | in.read();
        in.reset();
        return magic == GZIP ? new GZIPInputStream(in) : in;
    }

    private static void lines(Path file, BufferedReader reader, Each each) throws IOException {
        int number = 0;
        boolean more = true;
        for (String line = reader.readLine(); line != null && more; line = reader.readLine()) {
            number++;
            if (!line.isBlank()) {
                String where = file + " line " + number;
                more = each.take(Json.parse(utf8(line, where), where), where);
            }
        }
    }

    private static void array(Path file, BufferedReader reader, Each each) throws IOException {
        StringBuilder text = new StringBuilder();
        int number = 0;
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            text.append(utf8(line, file + " line " + ++number)).append('\n');
        }
        if (!(Json.parse(text.toString(), file.toString()) instanceof ArrayNode rows)) {
            throw new InputException(file + ": expected a JSON array of objects, or one JSON object a line");
        }
        for (int i = 0; i < rows.size() && each.take(rows.get(i), file + " row " + (i + 1)); i++) {
            continue;
        }
    }

    private static String utf8(String bytes, String where) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes.getBytes(StandardCharsets.ISO_8859_1))).toString();
        } catch (CharacterCodingException e) {
            throw new InputException(where + ": holds bytes that are not UTF-8, expected JSON in UTF-8", e);
        }
    }
}
