package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.ingrain.distill.task.data.Rows;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads the questions of a file. */
final class QuestionReader {
    private final Path file;
    private final Task task;
    private final QuestionConfig config;
    private final List<Example> examples = new ArrayList<>();
    private final Map<String, String> seen = new HashMap<>();

    private QuestionReader(Path file, Task task, QuestionConfig config) {
        this.file = file;
        this.task = task;
        this.config = config;
    }

    /**
     * Reads the first examples of a file.
     *
     * @param limit number of examples after which reading stops. If a row has several examples, all of them are read.
     *              0: all examples
     * @throws InputException if the file cannot be read or is empty, if two questions have the same id, or if a row is
     *         malformed
     */
    static List<Example> read(Path file, Task task, QuestionConfig config, int limit) {
        List<Example> whole = task.whole(file).orElse(null);
        QuestionReader questions = new QuestionReader(file, task, config);
        if (whole == null) {
            int[] number = {0};
            Rows.until(file, (row, where) -> {
                questions.add(row, ++number[0], where);
                return questions.wants(limit);
            });
        } else {
            (limit == 0 ? whole : whole.subList(0, Math.min(limit, whole.size())))
                    .forEach(example -> questions.examples.add(inContext(example, task, config)));
        }
        questions.requireIds();
        if (questions.examples.isEmpty()) {
            throw new InputException(file + ": empty, expected at least one question");
        }
        return questions.examples;
    }

    /** The id for a question that has none in the data: the number of the question. */
    static String id(int number) {
        return String.format(Locale.ROOT, "%06d", number);
    }

    private boolean wants(int limit) {
        return limit == 0 || examples.size() < limit;
    }

    private void add(JsonNode row, int number, String where) {
        if (!row.isObject()) {
            throw new InputException(where + ": expected a JSON object with a question");
        }
        String id = text(row, List.of("id"), where).orElse(id(number));
        List<Example> own = task.examples(row, id, where);
        if (!own.isEmpty()) {
            own.forEach(example -> add(example, where));
            return;
        }
        List<String> questionFields = config.questionField() == null
                ? task.questionFields() : List.of(config.questionField());
        Optional<String> given = text(row, questionFields, where);
        ChatRow chat = given.isEmpty() && config.questionField() == null && row.has(ChatRow.FIELD)
                ? ChatRow.of(row.path(ChatRow.FIELD), where) : null;
        String question = given.or(() -> Optional.ofNullable(chat).map(ChatRow::question))
                .filter(found -> !found.isBlank())
                .orElseThrow(() -> new InputException(where + ": no " + String.join(" or ", questionFields)
                        + ", expected the question there; " + found(row) + TaskKind.reader(row, task)
                        .map(other -> "; task " + other + " can read it").orElse("")));
        List<String> answerFields = config.answerField() == null ? task.answerFields() : List.of(config.answerField());
        String gold = text(row, answerFields, where).or(() -> Optional.ofNullable(chat).map(ChatRow::answer))
                .map(String::strip).orElse(null);
        String clean = task.clean(question);
        Map<String, String> fields = new LinkedHashMap<>(task.traits(clean));
        for (String field : task.fields()) {
            fields.put(field, text(row, List.of(field), where)
                    .orElseThrow(() -> new InputException(where + ": no " + field
                    + ", expected this field in the row of each question; " + found(row))));
        }
        add(new Example(id, clean, gold, fields, category(row.path("category")), List.of())
                .within(chat == null ? List.of() : chat.before()), where);
    }

    /** The names of the row's fields, for error messages. */
    static String found(JsonNode row) {
        return row.isEmpty() ? "the row is empty" : "the row has " + String.join(", ", row.propertyNames());
    }

    /**
     * A copy of the example with the system message of the settings. If the settings have none, the row's system
     * message is used; if the row has none either, the task's.
     */
    static Example inContext(Example example, Task task, QuestionConfig config) {
        String set = config.task().system();
        List<Message> turns = new ArrayList<>(example.context());
        boolean own = !turns.isEmpty() && turns.getFirst().role().equals("system");
        String system = set != null ? set : own ? "" : task.system().orElse("");
        if (own && set != null) {
            turns.removeFirst();
        }
        if (!system.isEmpty()) {
            turns.addFirst(Message.system(system));
        }
        return example.within(turns);
    }

    /** The category as text; null if the value is missing, null, a list or an object. */
    private static String category(JsonNode value) {
        return value.isValueNode() && !value.isNull() ? value.asString() : null;
    }

    private void add(Example example, String where) {
        if (seen.putIfAbsent(example.id(), where) != null) {
            throw new InputException(where + ": id " + example.id() + " is already used by " + seen.get(example.id()));
        }
        if (example.gold() != null && task.gold(example).isEmpty()) {
            throw new InputException(where + ": answer " + example.gold() + ", expected " + task.answerShape());
        }
        examples.add(inContext(example, task, config));
    }

    /** Checks that all examples, in all their presentation orders, have different ids. */
    private void requireIds() {
        Set<String> ids = new HashSet<>();
        for (Example example : examples) {
            if (!ids.add(example.id())) {
                throw new InputException(file + ": two questions have the id " + example.id()
                        + ", expected different ids");
            }
        }
        for (Example example : examples) {
            for (Example order : task.orders(example, Integer.MAX_VALUE)) {
                if (!order.isAsGiven() && ids.contains(order.id())) {
                    throw new InputException(file + ": a question has the id " + order.id()
                            + ", which is also the id of question " + example.id()
                            + " in another order, expected another id");
                }
            }
        }
    }

    /**
     * The value, as text, of the first of these fields that the row has. It may be a text, a number or a boolean.
     *
     * @throws InputException if the field has another type
     */
    static Optional<String> text(JsonNode row, List<String> fields, String where) {
        for (String field : fields) {
            JsonNode value = row.path(field);
            if (value.isString() || value.isNumber() || value.isBoolean()) {
                return Optional.of(value.asString());
            }
            if (!value.isMissingNode() && !value.isNull()) {
                throw new InputException(where + ": " + field + " is not a text");
            }
        }
        return Optional.empty();
    }
}
