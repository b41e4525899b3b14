package org.ingrain.train.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ingrain.files.JsonFields;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Reads the messages of a training row: {"role", "content"}, or {"from", "value"} as in ShareGPT. The content is a text
 * or a list of parts {"type": "text", "text"}; the texts of the parts are joined without a separator. A part of
 * another type, a null content, or a tool call causes an InputException that names the value. TRL would pass such
 * values to the chat template, which would print None or fail.
 */
final class MessageReader {
    /** Maps ShareGPT's names of roles to roles in the same way as axolotl. */
    private static final Map<String, String> ROLES = Map.of("human", "user", "user", "user", "gpt", "assistant",
            "assistant", "assistant", "model", "assistant", "system", "system");

    private MessageReader() {
    }

    /** Reads the messages of a field, which must contain at least one message. */
    static List<Message> read(JsonFields row, String field) {
        JsonNode list = row.node(field);
        if (!list.isArray() || list.isEmpty()) {
            throw new InputException(row.where() + ": " + field + " is " + (list.isArray() ? "empty" : "not a list")
                    + ", expected a list of messages");
        }
        List<Message> messages = new ArrayList<>();
        for (JsonNode message : list.values()) {
            messages.add(message(message, row.where() + ": " + field + ": message " + (messages.size() + 1)));
        }
        return messages;
    }

    private static Message message(JsonNode message, String where) {
        boolean shareGpt = message.has("from");
        JsonNode role = message.path(shareGpt ? "from" : "role");
        String field = shareGpt ? "value" : "content";
        if (!message.isObject() || !role.isString() || !message.has(field)) {
            throw new InputException(where + " is not {\"role\": text, \"content\": text} or"
                    + " {\"from\": text, \"value\": text}");
        }
        if (!message.path("tool_calls").isEmpty()) {
            throw new InputException(where + ": tool_calls is set, which is not supported");
        }
        return new Message(shareGpt ? role(role.stringValue(), where) : role.stringValue(),
                content(message.get(field), where + ": " + field));
    }

    private static String role(String from, String where) {
        if (!ROLES.containsKey(from)) {
            throw new InputException(where + ": from is '" + from + "', expected one of "
                    + String.join(", ", ROLES.keySet().stream().sorted().toList()));
        }
        return ROLES.get(from);
    }

    /** @param where row, message and field of the content; every error message starts with this text */
    private static String content(JsonNode content, String where) {
        if (content.isString()) {
            return content.stringValue();
        }
        if (!content.isArray()) {
            throw new InputException(where + " is " + (content.isNull() ? "null" : "not a text")
                    + ", expected a text or a list of parts {\"type\": \"text\", \"text\": text}");
        }
        StringBuilder text = new StringBuilder();
        for (JsonNode part : content.values()) {
            if (part.path("type").isString() && !part.get("type").stringValue().equals("text")) {
                throw new InputException(where + ": a part has type '" + part.get("type").stringValue()
                        + "', expected text: other parts are not supported");
            }
            if (!part.path("type").isString() || !part.path("text").isString()) {
                throw new InputException(where + ": a part is not {\"type\": \"text\", \"text\": text}");
            }
            text.append(part.get("text").stringValue());
        }
        return text.toString();
    }
}
