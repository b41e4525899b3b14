package org.ingrain.distill.model;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.template.Message;

/**
 * A training example of a student. It is stored as a line of a JSONL file in TRL's conversational format, in which
 * prompt and completion are lists of messages.
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

    /** The columns of a line. The completion is one message of the assistant. */
    record Line(List<Message> prompt, List<Message> completion) {
    }

    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    static TrainingRow of(Line line) {
        return new TrainingRow(line.prompt(), line.completion().getFirst().content());
    }

    @JsonValue
    Line line() {
        return new Line(prompt, answer());
    }

    /** The completion as a message of the assistant. */
    public List<Message> answer() {
        return List.of(Message.assistant(completion));
    }

    /** The prompt and the completion as one conversation. */
    public List<Message> conversation() {
        return Stream.concat(prompt.stream(), answer().stream()).toList();
    }
}
