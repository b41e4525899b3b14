package org.ingrain.distill.task.data;

import java.nio.file.Path;
import java.util.function.BiConsumer;
import org.ingrain.files.JsonRows;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * Reads files of rows, which are JSON lines or one JSON array of objects ({@link JsonRows}), CSV, or Parquet. The
 * ending of the file's name determines the format: .csv, .tsv (CSV with tabs) or .parquet; any other file is read as
 * JSON. All except Parquet may be gzipped.
 */
public final class Rows {
    private Rows() {
    }

    /** Whether a file has the name of a file of rows: .json, .jsonl, .csv, .tsv or .parquet, also with .gz. */
    public static boolean isNamed(Path file) {
        return ending(file).matches("json|jsonl|csv|tsv|parquet");
    }

    private static String ending(Path file) {
        return file.getFileName().toString().replaceFirst("\\.gz$", "").replaceFirst("^.*\\.", "");
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
        switch (ending(file)) {
            case "parquet" -> ParquetRows.until(file, each::take);
            case "csv" -> CsvRows.until(file, ',', each);
            case "tsv" -> CsvRows.until(file, '\t', each);
            default -> JsonRows.until(file, each);
        }
    }
}
