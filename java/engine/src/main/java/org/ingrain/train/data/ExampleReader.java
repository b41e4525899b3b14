package org.ingrain.train.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonFields;
import org.ingrain.files.LineReader;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Reads JSONL in TRL's formats: {"prompt", "completion"}, {"messages"} or {"text"}. Prompt and completion are strings
 * or lists of messages. If the prompt is a list and the completion a string, the completion is one assistant message.
 * Other fields and blank lines are ignored. An invalid line causes an InputException that names file and line.
 */
public final class ExampleReader {
    private ExampleReader() {
    }

    /**
     * A row and its position in the file.
     *
     * @param where file and line, used as the start of error messages
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
        try (InputStream in = Files.newInputStream(file)) {
            LineReader lines = LineReader.kept(in, file.toString());
            while (lines.next()) {
                String json = lines.text();
                if (!json.isBlank()) {
                    rows.add(
                            new Row(lines.where(),
                                    example(JsonFields.parse(lines.where(), json.getBytes(StandardCharsets.UTF_8)))));
                }
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
        if (rows.isEmpty()) {
            throw new InputException(
                    file + ": has no rows, expected JSON lines of prompt and completion, messages, or text");
        }
        return rows;
    }

    private static TrainingExample example(JsonFields row) {
        if (row.has("prompt") || row.has("completion")) {
            return row.node("prompt").isArray() ? answer(row) : new TrainingExample.Completion(
                    row.text("prompt"), row.text("completion"));
        }
        if (row.has("messages")) {
            return new TrainingExample.Conversation(messages(row, "messages"));
        }
        if (row.has("text")) {
            return new TrainingExample.Text(row.text("text"));
        }
        throw new InputException(row.where() + ": has fields " + row.names()
                + ", expected prompt and completion, messages, or text");
    }

    private static TrainingExample answer(JsonFields row) {
        List<Message> completion = row.node("completion").isString()
                ? List.of(Message.assistant(row.text("completion")))
                : messages(row, "completion");
        return new TrainingExample.Answer(messages(row, "prompt"), completion);
    }

    private static List<Message> messages(JsonFields row, String field) {
        JsonNode list = row.node(field);
        if (!list.isArray() || list.isEmpty()) {
            throw new InputException(row.where() + ": " + field + " is " + (list.isArray() ? "empty" : "not a list")
                    + ", expected a list of messages");
        }
        List<Message> messages = new ArrayList<>();
        for (JsonNode message : list.values()) {
            if (!message.isObject() || !message.path("role").isString() || !message.path("content").isString()) {
                throw new InputException(row.where() + ": " + field + ": message " + (messages.size() + 1)
                        + " is not {\"role\": text, \"content\": text}");
            }
            messages.add(new Message(message.get("role").stringValue(), message.get("content").stringValue()));
        }
        return messages;
    }
}
