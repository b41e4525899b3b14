package org.ingrain.distill.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** Why a text ended. */
public enum Finish {
    /** The model ended it, or a stop text did. */
    @JsonProperty("stop") STOP,
    /** It reached its longest length. */
    @JsonProperty("length") LENGTH,
    /** The prompt, or the one of an earlier step, did not fit into the context: nothing was generated. */
    @JsonProperty("prompt-too-long") PROMPT_TOO_LONG,
    /** The prompt, which is an earlier step's text, was blank: nothing was asked. */
    @JsonProperty("blank-prompt") BLANK_PROMPT
}
