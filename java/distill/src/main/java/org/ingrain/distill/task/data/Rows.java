package org.ingrain.distill.task.data;

import java.nio.file.Path;
import java.util.function.BiConsumer;
import org.ingrain.files.JsonRows;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * Reads files of rows, which are JSON lines or one JSON array of objects ({@link JsonRows}), CSV, or Parquet. The name of
 * a file of CSV, with commas or tabs, or of Parquet has the usual ending. All except Parquet may be gzipped.
 */
public final class Rows {
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

    /** Passes each row to {@code each}, with its file and line, until {@code each} returns false. */
    public static void until(Path file, JsonRows.Each each) {
        String name = file.getFileName().toString().replaceFirst("\\.gz$", "");
        if (name.endsWith(".parquet")) {
            ParquetRows.until(file, each::take);
        } else if (name.endsWith(".csv") || name.endsWith(".tsv")) {
            CsvRows.until(file, name.endsWith(".csv") ? ',' : '\t', each);
        } else {
            JsonRows.until(file, each);
        }
    }
}
