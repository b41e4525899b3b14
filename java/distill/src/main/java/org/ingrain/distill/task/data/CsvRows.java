package org.ingrain.distill.task.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.ingrain.files.DurableFile;
import org.ingrain.files.InputFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonRows;
import org.ingrain.tensor.InputException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.exc.JacksonIOException;
import tools.jackson.databind.MappingIterator;
import tools.jackson.databind.ObjectReader;
import tools.jackson.dataformat.csv.CsvMapper;
import tools.jackson.dataformat.csv.CsvReadFeature;
import tools.jackson.dataformat.csv.CsvSchema;

/**
 * Reads the rows of a CSV file (RFC 4180, UTF-8, also gzipped) as JSON objects. The separator may also be a tab. The
 * first line has the names of the columns. All values are texts. An empty value is omitted from the object.
 */
final class CsvRows {
    private static final ObjectReader READER = CsvMapper.builder()
            .enable(CsvReadFeature.EMPTY_STRING_AS_NULL, CsvReadFeature.SKIP_EMPTY_LINES,
                    CsvReadFeature.FAIL_ON_MISSING_COLUMNS, CsvReadFeature.FAIL_ON_DUPLICATE_HEADER_COLUMNS)
            .build().readerForMapOf(String.class);
    private static final int BYTE_ORDER_MARK = '\ufeff';

    private CsvRows() {
    }

    /**
     * Passes each row to {@code each}, together with the file and the last line of the row. Stops when {@code each}
     * returns false.
     *
     * @throws InputException if the file is not CSV, or if a row has more or fewer values than there are columns
     */
    static void until(Path file, char separator, JsonRows.Each each) {
        CsvSchema schema = CsvSchema.emptySchema().withHeader().withColumnSeparator(separator);
        try (Reader in = open(file); MappingIterator<Map<String, String>> rows = READER.with(schema).readValues(in)) {
            Map<String, String> row = next(file, rows);
            while (row != null) {
                row.values().removeIf(value -> value == null);
                if (!each.take(Json.tree(row), file + " line " + line(rows.currentLocation()))) {
                    return;
                }
                row = next(file, rows);
            }
        } catch (JacksonException e) {
            throw refusal(file, e);
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    private static Reader open(Path file) throws IOException {
        Reader in = new InputStreamReader(InputFile.unpacked(file), StandardCharsets.UTF_8.newDecoder());
        Reader marked = new BufferedReader(in);
        marked.mark(1);
        if (marked.read() != BYTE_ORDER_MARK) {
            marked.reset();
        }
        return marked;
    }

    /** The next row; null after the last row. */
    private static Map<String, String> next(Path file, MappingIterator<Map<String, String>> rows) {
        try {
            return rows.hasNextValue() ? rows.nextValue() : null;
        } catch (JacksonException e) {
            throw refusal(file, e);
        }
    }

    /**
     * The line number of the end of a row. The parser's location cannot be returned as it is, because it may already be
     * at the start of the next line.
     */
    private static int line(TokenStreamLocation location) {
        return location.getLineNr() - (location.getColumnNr() <= 1 ? 1 : 0);
    }

    private static InputException refusal(Path file, JacksonException e) {
        if (e instanceof JacksonIOException && e.getCause() instanceof CharacterCodingException) {
            return new InputException(file + ": is not UTF-8, expected UTF-8", e);
        }
        String reason = e.getOriginalMessage() == null ? e.getClass().getSimpleName() : e.getOriginalMessage();
        String line = e.getLocation() == null ? "" : " line " + line(e.getLocation());
        return new InputException(file + line + ": malformed CSV: " + reason.lines().findFirst().orElse(""), e);
    }
}
