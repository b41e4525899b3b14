package org.ingrain.train.data;

import java.util.List;
import org.ingrain.template.Message;

/** One row of training data, in one of TRL's shapes. */
public sealed interface TrainingExample {
    /**
     * Plain text and its continuation: no chat template. The loss is taken on the continuation and the token that ends
     * it.
     */
    record Completion(String prompt, String completion) implements TrainingExample {
    }

    /**
     * A conversation and the assistant's answer to it: the chat template is applied. The loss is taken on the answer.
     */
    record Answer(List<Message> prompt, List<Message> completion) implements TrainingExample {
        public Answer {
            prompt = List.copyOf(prompt);
            completion = List.copyOf(completion);
        }
    }

    /** A conversation: the chat template is applied. The loss is taken on every turn of the assistant. */
    record Conversation(List<Message> messages) implements TrainingExample {
        public Conversation {
            messages = List.copyOf(messages);
        }
    }

    /** Plain text: the loss is taken on all of it but its first token. */
    record Text(String text) implements TrainingExample {
    }
}
