package org.ingrain.distill.sample;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.task.Example;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;

/**
 * The messages of one step before its prompt.
 *
 * @param system    system message of the step. An empty text means no system message. Null means the system message of
 *                  the example, if the example has one
 * @param exemplars messages with questions and their answers
 * @param turns     further messages with placeholders
 */
public record Conversation(String system, List<Message> exemplars, List<Turn> turns) {
    private static final String SYSTEM = "system";

    public Conversation {
        exemplars = List.copyOf(exemplars);
        turns = List.copyOf(turns);
    }

    /** A message with placeholders. The role is {@code user} or {@code assistant}. */
    public record Turn(String role, String content) {
        public Turn {
            if (!"user".equals(role) && !"assistant".equals(role)) {
                throw new InputException("messages.role: " + role + ", expected user or assistant");
            }
            if (content == null || content.isBlank()) {
                throw new InputException("messages.content: missing, expected a text");
            }
        }

        public PromptTemplate template() {
            return new PromptTemplate(content);
        }
    }

    /** All messages of a prompt: the context of the example, the exemplars, the turns, and finally the prompt. */
    List<Message> messages(Example example, PromptTemplate prompt, Map<String, String> values) {
        List<Message> messages = new ArrayList<>(example.context());
        if (system != null && !messages.isEmpty() && messages.getFirst().role().equals(SYSTEM)) {
            messages.removeFirst();
        }
        if (system != null && !system.isEmpty()) {
            messages.addFirst(Message.system(system));
        }
        messages.addAll(exemplars);
        turns.forEach(turn -> messages.add(new Message(turn.role(), turn.template().render(values))));
        messages.add(Message.user(prompt.render(values)));
        return messages;
    }

    /**
     * The messages and the prompt as a text for readers. Each message begins with its role, unless there is only the
     * prompt.
     */
    String words(PromptTemplate prompt) {
        List<Message> messages = new ArrayList<>(exemplars);
        if (system != null && !system.isEmpty()) {
            messages.addFirst(Message.system(system));
        }
        turns.forEach(turn -> messages.add(new Message(turn.role(), turn.content())));
        if (messages.isEmpty()) {
            return prompt.text();
        }
        messages.add(Message.user(prompt.text()));
        return String.join("\n\n", messages.stream().map(message -> message.role() + ": " + message.content())
                .toList());
    }
}
