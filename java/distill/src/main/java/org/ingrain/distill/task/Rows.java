package org.ingrain.distill.task;

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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.zip.GZIPInputStream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.MissingNode;

/** Reads files of rows: one JSON object a line, one JSON array of objects, either gzipped, or Parquet. */
final class Rows {
    private static final int GZIP = 0x1f8b;

    private final Path file;
    private final Task task;
    private final QuestionConfig config;
    private final List<Example> examples = new ArrayList<>();
    private final Map<String, String> seen = new HashMap<>();

    private Rows(Path file, Task task, QuestionConfig config) {
        this.file = file;
        this.task = task;
        this.config = config;
    }

    /**
     * The first examples of a file.
     *
     * @param limit 0 for all
     * @throws InputException if the file cannot be read, a row is malformed (the message has file and line, or row), or there is none
     */
    static List<Example> read(Path file, Task task, QuestionConfig config, int limit) {
        List<Example> whole = task.whole(file).orElse(null);
        Rows rows = new Rows(file, task, config);
        if (whole == null) {
            int[] number = {0};
            until(file, (row, where) -> {
                rows.add(row, ++number[0], where);
                return rows.wants(limit);
            });
        } else {
            rows.examples.addAll(limit == 0 ? whole : whole.subList(0, Math.min(limit, whole.size())));
        }
        rows.requireIds();
        if (rows.examples.isEmpty()) {
            throw new InputException(file + ": empty, expected at least one question");
        }
        return rows.examples;
    }

    /** Hands over each row, with its file and line. */
    static void forEach(Path file, BiConsumer<JsonNode, String> each) {
        until(file, (row, where) -> {
            each.accept(row, where);
            return true;
        });
    }

    /** The first row; missing if there is none. */
    static JsonNode first(Path file) {
        JsonNode[] first = {MissingNode.getInstance()};
        until(file, (row, where) -> {
            first[0] = row;
            return false;
        });
        return first[0];
    }

    /** Takes a row; false ends the reading. */
    private interface Each {
        boolean take(JsonNode row, String where);
    }

    private static void until(Path file, Each each) {
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

    private boolean wants(int limit) {
        return limit == 0 || examples.size() < limit;
    }

    private void add(JsonNode row, int number, String where) {
        if (!row.isObject()) {
            throw new InputException(where + ": expected a JSON object with a question");
        }
        String id = text(row, List.of("id"), where).orElse("%06d".formatted(number));
        List<Example> own = task.examples(row, id, where);
        if (!own.isEmpty()) {
            own.forEach(example -> add(example, where));
            return;
        }
        List<String> questionFields = config.questionField() == null ? task.questionFields() : List.of(config.questionField());
        String question = text(row, questionFields, where)
                .filter(found -> !found.isBlank())
                .orElseThrow(() -> new InputException(where + ": no " + String.join(" or ", questionFields)
                        + ", expected the question there"));
        List<String> answerFields = config.answerField() == null ? task.answerFields() : List.of(config.answerField());
        String gold = text(row, answerFields, where).map(String::strip).orElse(null);
        String clean = task.clean(question);
        Map<String, String> fields = new LinkedHashMap<>(task.traits(clean));
        for (String field : task.fields()) {
            fields.put(field, text(row, List.of(field), where).orElseThrow(() -> new InputException(where + ": no " + field
                    + ", expected it beside the question")));
        }
        add(new Example(id, clean, gold, fields, category(row.path("category")), List.of()), where);
    }

    /** A list or an object is no category. */
    private static String category(JsonNode value) {
        return value.isValueNode() && !value.isNull() ? value.asString() : null;
    }

    private void add(Example example, String where) {
        if (seen.putIfAbsent(example.id(), where) != null) {
            throw new InputException(where + ": id " + example.id() + " is already that of " + seen.get(example.id()));
        }
        if (example.gold() != null && task.extract(example, example.gold()).isEmpty()) {
            throw new InputException(where + ": answer " + example.gold() + ", expected " + task.answerShape());
        }
        examples.add(example);
    }

    /** Whatever is asked, and in whatever order, has an id of its own. */
    private void requireIds() {
        Set<String> ids = new HashSet<>();
        for (Example example : examples) {
            if (!ids.add(example.id())) {
                throw new InputException(file + ": two questions have the id " + example.id() + ", expected an id for each");
            }
        }
        for (Example example : examples) {
            for (Example order : task.orders(example, Integer.MAX_VALUE)) {
                if (!order.isAsGiven() && ids.contains(order.id())) {
                    throw new InputException(file + ": a question has the id " + order.id() + ", which is that of question " + example.id()
                            + " in another order, expected another id");
                }
            }
        }
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
