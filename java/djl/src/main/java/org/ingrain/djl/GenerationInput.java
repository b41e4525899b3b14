package org.ingrain.djl;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;

/**
 * A prompt and the settings for sampling its completions. {@link #text} and {@link #chat} create an input with default
 * settings; each {@code with} method returns a copy with one setting changed.
 *
 * @param text     text to continue, encoded without a chat template; null for a chat
 * @param messages messages of a chat, which the model's chat template renders; null for a text
 * @param params   sampling parameters; if null, the sampling parameters in the options of the model are used
 * @param n        number of completions; the numbers of the samples are 0 to n - 1
 * @param adapter  NAME of an adapter that the option {@code adapter.NAME} of the model loaded; null: the base model
 */
public record GenerationInput(String text, List<Message> messages, SamplingParams params, int n, String adapter) {
    public GenerationInput {
        messages = messages == null ? null : List.copyOf(messages);
        if ((text == null) == (messages == null)) {
            throw InputException.field("input", text == null ? "neither text nor messages, expected one of them"
                    : "text and messages, expected one of them");
        }
        if (messages != null && messages.isEmpty()) {
            throw InputException.field("messages", "no messages, expected at least one");
        }
        if (n < 1) {
            throw InputException.field("n", n + ", expected 1 or more");
        }
    }

    /** A text to continue, without a chat template. */
    public static GenerationInput text(String text) {
        return new GenerationInput(text, null, null, 1, null);
    }

    /** A chat. The completion is the assistant's next message. */
    public static GenerationInput chat(List<Message> messages) {
        return new GenerationInput(null, messages, null, 1, null);
    }

    /** A chat that consists of one message of the user. */
    public static GenerationInput chat(String user) {
        return chat(List.of(Message.user(user)));
    }

    public GenerationInput withParams(SamplingParams value) {
        return new GenerationInput(text, messages, value, n, adapter);
    }

    public GenerationInput withN(int value) {
        return new GenerationInput(text, messages, params, value, adapter);
    }

    public GenerationInput withAdapter(String value) {
        return new GenerationInput(text, messages, params, n, value);
    }
}
