package org.ingrain.distill.task;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/** Reads a file of questions: one JSON object a line, or one JSON array of objects. */
final class Rows {
    private final Path file;
    private final Task task;
    private final DataConfig config;
    private final List<Example> examples = new ArrayList<>();
    private final Map<String, String> seen = new HashMap<>();

    private Rows(Path file, Task task, DataConfig config) {
        this.file = file;
        this.task = task;
        this.config = config;
    }

    /**
     * The first rows of a file.
     *
     * @param limit 0 for all
     * @throws InputException if the file cannot be read, a row is malformed (the message has file and line, or row), or there is none
     */
    static List<Example> read(Path file, Task task, DataConfig config, int limit) {
        Rows rows = new Rows(file, task, config);
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            reader.mark(1 << 12);
            int first = reader.read();
            while (first >= 0 && Character.isWhitespace(first)) {
                first = reader.read();
            }
            if (first == '[') {
                rows.readArray(limit);
            } else {
                reader.reset();
                rows.readLines(reader, limit);
            }
        } catch (IOException e) {
            throw AtomicFile.unreadable(file, e);
        }
        if (rows.examples.isEmpty()) {
            throw new InputException(file + ": empty, expected at least one question");
        }
        return rows.examples;
    }

    private void readLines(BufferedReader reader, int limit) throws IOException {
        int number = 0;
        for (String line = reader.readLine(); line != null && wants(limit); line = reader.readLine()) {
            number++;
            if (!line.isBlank()) {
                String where = file + " line " + number;
                add(Json.parse(line, where), number, where);
            }
        }
    }

    private void readArray(int limit) {
        JsonNode all = Json.parse(AtomicFile.read(file), file.toString());
        if (!(all instanceof ArrayNode rows)) {
            throw new InputException(file + ": expected a JSON array of objects, or one JSON object a line");
        }
        for (int i = 0; i < rows.size() && wants(limit); i++) {
            add(rows.get(i), i + 1, file + " row " + (i + 1));
        }
    }

    private boolean wants(int limit) {
        return limit == 0 || examples.size() < limit;
    }

    private void add(JsonNode row, int number, String where) {
        if (!row.isObject()) {
            throw new InputException(where + ": expected a JSON object with a question");
        }
        List<String> questionFields = config.questionField() == null ? task.questionFields() : List.of(config.questionField());
        String question = text(row, questionFields, where)
                .filter(found -> !found.isBlank())
                .orElseThrow(() -> new InputException(where + ": no " + String.join(" or ", questionFields)
                        + ", expected the question there"));
        List<String> answerFields = config.answerField() == null ? task.answerFields() : List.of(config.answerField());
        String gold = text(row, answerFields, where).map(String::strip).orElse(null);
        String id = text(row, List.of("id"), where).orElse("%06d".formatted(number));
        if (seen.putIfAbsent(id, where) != null) {
            throw new InputException(where + ": id " + id + " is already that of " + seen.get(id));
        }
        Example example = new Example(id, task.clean(question), gold);
        if (gold != null && task.extract(example, gold).isEmpty()) {
            throw new InputException(where + ": answer " + gold + ", expected " + task.answerShape());
        }
        examples.add(example);
    }

    private static Optional<String> text(JsonNode row, List<String> fields, String where) {
        for (String field : fields) {
            JsonNode value = row.path(field);
            if (value.isString() || value.isNumber() || value.isBoolean()) {
                return Optional.of(value.asString());
            }
            if (!value.isMissingNode() && !value.isNull()) {
                throw new InputException(where + ": " + field + " is no text");
            }
        }
        return Optional.empty();
    }
}
