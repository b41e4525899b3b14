package org.ingrain.distill.task;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A row with the field {@code messages}: a conversation.
 *
 * @param before   the messages before the question
 * @param question the last message of the user
 * @param answer   the message of the assistant after the question; null if there is none
 */
public record ChatRow(List<Message> before, String question, String answer) {
    public static final String FIELD = "messages";

    /**
     * Reads a list of messages with role and content.
     *
     * @throws InputException if there is no question, or if anything other than a single answer follows the question
     */
    public static ChatRow of(JsonNode messages, String where) {
        List<Message> all = new ArrayList<>();
        for (JsonNode message : messages) {
            JsonNode role = message.path("role");
            JsonNode content = message.path("content");
            if (!role.isString() || !content.isString()) {
                throw new InputException(where + ": " + FIELD + ": message " + (all.size() + 1)
                        + ", expected role and content, both texts");
            }
            all.add(new Message(role.asString(), content.asString()));
        }
        int last = all.size() - 1;
        while (last >= 0 && !all.get(last).role().equals("user")) {
            last--;
        }
        if (last < 0) {
            throw new InputException(where + ": " + FIELD + ": no message of the role user, expected the question");
        }
        List<Message> after = all.subList(last + 1, all.size());
        if (after.size() > 1 || !after.isEmpty() && !after.getFirst().role().equals("assistant")) {
            throw new InputException(where + ": " + FIELD + ": after the last message of the user, expected the answer "
                    + "as one message of the assistant, or nothing");
        }
        return new ChatRow(List.copyOf(all.subList(0, last)), all.get(last).content(),
                after.isEmpty() ? null : after.getFirst().content());
    }
}
