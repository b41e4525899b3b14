package org.ingrain.distill.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** The reason why a text ended. */
public enum Finish {
    /** The model generated an end token, or the text reached a stop string. */
    @JsonProperty("stop") STOP,
    /** The text reached its maximum length. */
    @JsonProperty("length") LENGTH,
    /** Nothing was generated, because this prompt, or the prompt of an earlier step, is too long for the context. */
    @JsonProperty("prompt-too-long") PROMPT_TOO_LONG,
    /**
     * Nothing was generated, because an earlier step gave no text for the prompt. Either the prompt is only the text of
     * an earlier step, and this text is blank. Or the text of an earlier step ended within its thoughts, so it has no
     * answer.
     */
    @JsonProperty("blank-prompt") BLANK_PROMPT,
    /** There is no text, because the file of imported answers has no answer to the question. */
    @JsonProperty("missing") MISSING
}
