package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonProperty;

/** Students that show where the gain comes from. */
public enum Control {
    /** Taught the majority of the model's own direct answers. */
    @JsonProperty("distilled-system-1") DISTILLED_SYSTEM_1,
    /** Taught System 2's answers without a filter. */
    @JsonProperty("unfiltered") UNFILTERED
}
