package org.ingrain.distill.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** The reason why a text ended. */
public enum Finish {
    /** The model ended the text, or a stop string did. */
    @JsonProperty("stop") STOP,
    /** The text reached its maximum length. */
    @JsonProperty("length") LENGTH,
    /** Nothing was generated: this prompt, or that of an earlier step, does not fit into the context. */
    @JsonProperty("prompt-too-long") PROMPT_TOO_LONG,
    /** Nothing was generated: the prompt is the text of an earlier step, which is blank. */
    @JsonProperty("blank-prompt") BLANK_PROMPT
}
