package org.ingrain.train.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.files.JsonFields;
import org.ingrain.files.JsonRows;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Reads training rows: JSON lines or one JSON array, also gzipped. The first of these sets of columns that a row has
 * decides; a column that is null counts as absent, other columns are ignored:
 * <ul>
 * <li>{@code prompt}, {@code completion}: texts, or lists of messages as in TRL. Beside a list, a completion that is a
 * text is what the assistant says.
 * <li>{@code messages}, or {@code conversations} as in ShareGPT: see {@link MessageReader}.
 * <li>{@code instruction}, {@code output} and perhaps {@code input} as in Alpaca: the user says instruction and, on a
 * new line, input unless it is empty; the assistant says output. So it is rendered by the model's chat template, as
 * LLaMA-Factory does, not by Alpaca's.
 * <li>{@code text}
 * </ul>
 * Anything else is refused by file and line.
 */
public final class ExampleReader {
    private static final String EXPECTED =
            "prompt and completion, messages, conversations, instruction and output, or text";

    private ExampleReader() {
    }

    /**
     * A row and its place.
     *
     * @param where file and line; error messages start with it
     */
    public record Row(String where, TrainingExample example) {
    }

    /**
     * Reads all rows of a file.
     *
     * @throws InputException if the file cannot be read, has an invalid row, or has no rows
     */
    public static List<Row> read(Path file) {
        List<Row> rows = new ArrayList<>();
        JsonRows.until(file, (row, where) -> rows.add(new Row(where, example(row, where))));
        if (rows.isEmpty()) {
            throw new InputException(file + ": has no rows, expected JSON lines or a JSON array of " + EXPECTED);
        }
        return rows;
    }

    private static TrainingExample example(JsonNode json, String where) {
        if (!json.isObject()) {
            throw new InputException(where + ": expected a JSON object");
        }
        JsonFields row = new JsonFields(where, json);
        if (row.has("prompt") || row.has("completion")) {
            return row.node("prompt").isArray() ? answer(row) : new TrainingExample.Completion(
                    row.text("prompt"), row.text("completion"));
        }
        for (String field : List.of("messages", "conversations")) {
            if (row.has(field)) {
                return new TrainingExample.Conversation(MessageReader.read(row, field));
            }
        }
        if (row.has("instruction") && row.has("output")) {
            String input = row.text("input", "");
            return new TrainingExample.Answer(
                    List.of(Message.user(row.text("instruction") + (input.isEmpty() ? "" : "\n" + input))),
                    List.of(Message.assistant(row.text("output"))));
        }
        if (row.has("text")) {
            return new TrainingExample.Text(row.text("text"));
        }
        throw new InputException(where + ": has fields " + row.names() + ", expected " + EXPECTED);
    }

    private static TrainingExample answer(JsonFields row) {
        List<Message> completion = row.node("completion").isString()
                ? List.of(Message.assistant(row.text("completion")))
                : MessageReader.read(row, "completion");
        return new TrainingExample.Answer(MessageReader.read(row, "prompt"), completion);
    }
}
