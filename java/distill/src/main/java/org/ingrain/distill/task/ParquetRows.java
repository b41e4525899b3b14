package org.ingrain.distill.task;

import dev.hardwood.InputFile;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.row.PqList;
import dev.hardwood.row.PqStruct;
import dev.hardwood.row.StructAccessor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiPredicate;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads Parquet files as rows of JSON: texts, numbers, booleans, and lists and structs of these. */
final class ParquetRows {
    private ParquetRows() {
    }

    /** Hands over each row, with its file and number, until one is answered with false. */
    static void until(Path file, BiPredicate<JsonNode, String> each) {
        try (ParquetFileReader parquet = ParquetFileReader.open(InputFile.of(file)); RowReader rows = parquet.rowReader()) {
            boolean more = true;
            for (int number = 1; more && rows.hasNext(); number++) {
                rows.next();
                more = each.test(Json.tree(struct(rows)), file + " row " + number);
            }
        } catch (IOException e) {
            throw AtomicFile.unreadable(file, e);
        } catch (UnsupportedOperationException | IllegalArgumentException e) {
            throw new InputException(file + ": cannot be read as Parquet: " + e.getMessage(), e);
        }
    }

    private static Map<String, Object> struct(StructAccessor struct) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < struct.getFieldCount(); i++) {
            fields.put(struct.getFieldName(i), struct.isNull(i) ? null : value(struct.getValue(i)));
        }
        return fields;
    }

    private static Object value(Object value) {
        return switch (value) {
            case PqStruct struct -> struct(struct);
            case PqList list -> list.values().stream().map(element -> element == null ? null : value(element)).toList();
            case Number number -> number;
            case Boolean truth -> truth;
            case List<?> list -> list;
            default -> value.toString();
        };
    }
}
