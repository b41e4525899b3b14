package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonProperty;

/** Students that are trained for comparison, to show the cause of the gain. */
public enum Control {
    /** Trained on the majority of the model's own direct answers. */
    @JsonProperty("distilled-system-1") DISTILLED_SYSTEM_1,
    /** Trained on System 2's answers without a filter. */
    @JsonProperty("unfiltered") UNFILTERED
}
