package org.ingrain.distill.sample;

/**
 * One turn of a conversation, before the chat template.
 *
 * @param role    system, user or assistant
 * @param content the text
 */
public record Message(String role, String content) {
    public static Message user(String content) {
        return new Message("user", content);
    }
}
