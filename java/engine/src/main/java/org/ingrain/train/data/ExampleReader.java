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
 * Reads training rows from a file that contains JSON lines or one JSON array; the file may be gzipped. The formats
 * below are tried in order. A row is read in the first format whose columns are present. A column with the value null
 * counts as absent. Columns that do not belong to the format are ignored. The formats:
 * <ul>
 * <li>{@code prompt}, {@code completion}: texts, or lists of messages, as in TRL. If the prompt is a list, the
 * completion may be a text, which is then the message of the assistant.
 * <li>{@code messages}, or {@code conversations} as in ShareGPT: see {@link MessageReader}.
 * <li>{@code instruction}, {@code output} and optionally {@code input}, as in Alpaca. The message of the user is the
 * instruction; if the input is not empty, it follows on a new line. The message of the assistant is the output. As in
 * LLaMA-Factory, the messages are rendered with the model's chat template, not with Alpaca's prompt.
 * <li>{@code text}
 * </ul>
 * For any other row, an InputException names the file and the line.
 */
public final class ExampleReader {
    private static final String EXPECTED =
            "prompt and completion, messages, conversations, instruction and output, or text";

    private ExampleReader() {
    }

    /**
     * A row and its position in the file.
     *
     * @param where file and line; error messages start with this text
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
