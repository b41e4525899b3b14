package org.ingrain.distill.sample;

import java.util.Optional;
import org.ingrain.tensor.InputException;

/**
 * The marks around the thoughts that a reasoning model writes before its answer. Thoughts are not searched for an
 * answer. They are not part of training targets or later prompts. Their tokens are counted like all others.
 *
 * @param open   text before the thoughts
 * @param close  text after the thoughts
 * @param opened whether the chat template writes {@code open} into the prompt, so that each text begins with thoughts
 */
public record Thoughts(String open, String close, boolean opened) {
    /** The marks of DeepSeek-R1, Qwen3 and similar models. */
    public static final Thoughts USUAL = new Thoughts("<think>", "</think>", false);

    public Thoughts {
        if (open == null || close == null || open.isBlank() || close.isBlank() || open.equals(close)) {
            throw new InputException("thoughts: open " + open + ", close " + close
                    + ", expected two different texts");
        }
    }

    /**
     * The text after the last thoughts, without spaces around it. The result is empty if no {@code close} follows the
     * last {@code open}. A text without marks is returned unchanged if {@code opened} is false. If {@code opened} is
     * true, such a text consists only of thoughts, so the result is empty.
     */
    public Optional<String> without(String text) {
        int end = text.lastIndexOf(close);
        if (text.lastIndexOf(open) > end || end < 0 && opened) {
            return Optional.empty();
        }
        return Optional.of(end < 0 ? text : text.substring(end + close.length()).strip());
    }
}
