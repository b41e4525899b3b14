package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/** The text that the student is trained to generate. This text never contains the intermediate steps. */
public enum Target {
    /** The bare answer. */
    @JsonProperty("answer") ANSWER,
    /** The whole text of the last step of the first sample that gave the label. */
    @JsonProperty("response") RESPONSE
}
