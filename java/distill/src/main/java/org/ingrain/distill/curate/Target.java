package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What the student is taught to say. The intermediate steps are dropped either way. */
public enum Target {
    /** The bare answer. */
    @JsonProperty("answer") ANSWER,
    /** The whole last text of the first sample that gave the answer. */
    @JsonProperty("response") RESPONSE
}
