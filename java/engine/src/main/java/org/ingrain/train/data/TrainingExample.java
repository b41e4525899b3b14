package org.ingrain.train.data;

import java.util.List;
import org.ingrain.template.Message;

/** One row of training data, in one of TRL's formats. */
public sealed interface TrainingExample {
    /**
     * A text and its continuation, encoded without a chat template. The targets are the tokens of the continuation and
     * the end-of-sequence token.
     */
    record Completion(String prompt, String completion) implements TrainingExample {
    }

    /**
     * A conversation ({@code prompt}) and the messages that follow it ({@code completion}), all rendered with the chat
     * template. The targets are the assistant's turns in {@code completion}.
     */
    record Answer(List<Message> prompt, List<Message> completion) implements TrainingExample {
        public Answer {
            prompt = List.copyOf(prompt);
            completion = List.copyOf(completion);
        }
    }

    /** A conversation, rendered with the chat template. The targets are all turns of the assistant. */
    record Conversation(List<Message> messages) implements TrainingExample {
        public Conversation {
            messages = List.copyOf(messages);
        }
    }

    /** Plain text. The targets are all tokens except the first. */
    record Text(String text) implements TrainingExample {
    }
}
