package org.ingrain.distill.model;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.ingrain.template.Message;

/**
 * A training example of a student; it is stored as a line of a JSONL file.
 *
 * @param prompt     the prompt before the chat template is applied
 * @param completion the text that the student is trained to generate
 */
public record TrainingRow(List<Message> prompt, String completion) {
    /** Size of the texts in UTF-8. */
    public int bytes() {
        return completion.getBytes(StandardCharsets.UTF_8).length + prompt.stream()
                .mapToInt(message -> message.content().getBytes(StandardCharsets.UTF_8).length).sum();
    }
}
