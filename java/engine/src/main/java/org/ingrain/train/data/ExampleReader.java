package org.ingrain.train.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.files.JsonFields;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Reads JSONL in the shapes of TRL: {"prompt", "completion"}, strings or lists of messages (beside a list, a completion that is a string
 * is what the assistant says), {"messages"}, {"text"}. Other fields are ignored and so are blank lines; anything else is refused by file
 * and line.
 */
public final class ExampleReader {
    private ExampleReader() {
    }

    /**
     * A row and where it stands.
     *
     * @param where file and line, to begin a complaint with
     */
    public record Row(String where, TrainingExample example) {
    }

    /** All rows of a file, at least one. */
    public static List<Row> read(Path file) {
        byte[] bytes = bytes(file);
        List<Row> rows = new ArrayList<>();
        int begin = 0;
        for (int line = 1; begin < bytes.length; line++) {
            int end = begin;
            while (end < bytes.length && bytes[end] != '\n') {
                end++;
            }
            byte[] json = Arrays.copyOfRange(bytes, begin, end);
            begin = end + 1;
            if (!new String(json, StandardCharsets.UTF_8).isBlank()) {
                String where = file + ": line " + line;
                rows.add(new Row(where, example(JsonFields.parse(where, json))));
            }
        }
        if (rows.isEmpty()) {
            throw new InputException(file + ": has no rows, expected JSON lines of prompt and completion, messages, or text");
        }
        return rows;
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException missing) {
            throw new InputException(file + ": no such file");
        } catch (IOException unreadable) {
            throw new InputException(file + ": cannot be read: " + unreadable.getMessage());
        }
    }

    private static TrainingExample example(JsonFields row) {
        if (row.has("prompt") || row.has("completion")) {
            return row.node("prompt").isArray() ? answer(row) : new TrainingExample.Completion(row.text("prompt"), row.text("completion"));
        }
        if (row.has("messages")) {
            return new TrainingExample.Conversation(messages(row, "messages"));
        }
        if (row.has("text")) {
            return new TrainingExample.Text(row.text("text"));
        }
        throw new InputException(row.where() + ": has fields " + row.names() + ", expected prompt and completion, messages, or text");
    }

    private static TrainingExample answer(JsonFields row) {
        List<Message> completion = row.node("completion").isString() ? List.of(Message.assistant(row.text("completion")))
                : messages(row, "completion");
        return new TrainingExample.Answer(messages(row, "prompt"), completion);
    }

    private static List<Message> messages(JsonFields row, String field) {
        JsonNode list = row.node(field);
        if (!list.isArray() || list.isEmpty()) {
            throw new InputException(row.where() + ": " + field + " is " + (list.isArray() ? "empty" : "no list")
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
