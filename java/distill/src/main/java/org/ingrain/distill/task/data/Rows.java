package org.ingrain.distill.task.data;

import java.nio.file.Path;
import java.util.function.BiConsumer;
import org.ingrain.files.JsonRows;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * Reads the rows of a file. The ending of the file's name determines the format: .csv, .tsv (CSV with tabs) or
 * .parquet. Any other file is read as JSON: JSON lines, or one array of objects ({@link JsonRows}). Files of all
 * formats except Parquet may be gzipped.
 */
public final class Rows {
    private Rows() {
    }

    /** Whether the file's name ends with .json, .jsonl, .csv, .tsv or .parquet, also with .gz after it. */
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
