package org.ingrain.distill.task.data;

import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.row.PqList;
import dev.hardwood.row.PqStruct;
import dev.hardwood.row.StructAccessor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.temporal.Temporal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.BiPredicate;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Reads the rows of a Parquet file as JSON. Values may be texts (UTF-8, even if the column is not annotated as text),
 * numbers, booleans, dates and times (which are converted to ISO 8601), UUIDs, and lists and structs of these.
 */
final class ParquetRows implements AutoCloseable {
    private final Path file;
    private final ParquetFileReader parquet;
    private final RowReader rows;
    private int number;

    private ParquetRows(Path file, ParquetFileReader parquet, RowReader rows) {
        this.file = file;
        this.parquet = parquet;
        this.rows = rows;
    }

    /**
     * Calls {@code each} with every row, its file and its row number. Stops when {@code each} returns false.
     *
     * @throws InputException if the file is damaged or a column has an unsupported type; exceptions that {@code each}
     *         throws are thrown unchanged
     */
    static void until(Path file, BiPredicate<JsonNode, String> each) {
        try (ParquetRows rows = guarded(file, () -> open(file))) {
            JsonNode row = guarded(file, rows::next);
            while (row != null && each.test(row, rows.where())) {
                row = guarded(file, rows::next);
            }
        }
    }

    /** A call to the Parquet reader. */
    private interface Read<T> {
        T read() throws IOException;
    }

    /**
     * Converts all exceptions of the Parquet reader to InputException, because a damaged file can cause many kinds of
     * exceptions.
     */
    private static <T> T guarded(Path file, Read<T> read) {
        try {
            return read.read();
        } catch (InputException e) {
            throw e;
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        } catch (RuntimeException e) {
            throw new InputException(file + ": cannot be read as Parquet: " + reason(e), e);
        } catch (OutOfMemoryError e) {
            throw new InputException(file + ": cannot be read as Parquet: a page needs more memory than Java may use",
                    e);
        }
    }

    private static String reason(Throwable e) {
        Throwable root = e;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage().lines().findFirst()
                .orElse("");
    }

    private static ParquetRows open(Path file) throws IOException {
        ParquetFileReader parquet = ParquetFileReader.open(new ParquetBytes(file));
        try {
            if (parquet.getFileSchema().getColumnCount() == 0) {
                // If a file has no columns, the Parquet reader never reaches the end of the file.
                throw new InputException(file + ": cannot be read as Parquet: its schema has no column");
            }
            return new ParquetRows(file, parquet, parquet.rowReader());
        } catch (RuntimeException | Error e) {
            parquet.close();
            throw e;
        }
    }

    /** The next row; null after the last row. */
    private JsonNode next() {
        if (!rows.hasNext()) {
            return null;
        }
        rows.next();
        number++;
        return Json.tree(struct(rows, ""));
    }

    private String where() {
        return file + " row " + number;
    }

    private Map<String, Object> struct(StructAccessor struct, String path) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < struct.getFieldCount(); i++) {
            String name = struct.getFieldName(i);
            fields.put(name, struct.isNull(i) ? null : value(struct.getValue(i), struct.getRawValue(i), path + name));
        }
        return fields;
    }

    private List<Object> list(PqList list, String column) {
        List<Object> values = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            values.add(list.isNull(i) ? null : value(list.get(i), list.getRaw(i), column));
        }
        return values;
    }

    private Object value(Object value, Object raw, String column) {
        return switch (value) {
            case PqStruct struct -> struct(struct, column + ".");
            case PqList list -> list(list, column);
            case Number _, Boolean _ -> value;
            case String _, byte[] _ -> text((byte[]) raw, column);
            case Temporal _, UUID _ -> value.toString();
            default -> throw new InputException(where() + ": column " + column
                    + " has values of an unsupported type, expected texts,"
                    + " numbers, booleans, times, or lists or structs of these");
        };
    }

    /** Decodes UTF-8 strictly, because the Parquet reader would replace malformed bytes without an error. */
    private String text(byte[] bytes, String column) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw new InputException(where() + ": column " + column + " has bytes that are not UTF-8, expected texts",
                    e);
        }
    }

    @Override
    public void close() {
        guarded(file, () -> {
            rows.close();
            parquet.close();
            return null;
        });
    }
}
