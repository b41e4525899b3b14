package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What the student is trained to generate. The intermediate steps are dropped in both cases. */
public enum Target {
    /** The bare answer. */
    @JsonProperty("answer") ANSWER,
    /** The whole last text of the first sample that gave the label. */
    @JsonProperty("response") RESPONSE
}
