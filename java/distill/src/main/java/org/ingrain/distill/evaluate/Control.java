package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonProperty;

/** Students that are trained for comparison, to show what causes the gain in accuracy. */
public enum Control {
    /** A student that is trained on the majority of the base model's direct answers. */
    @JsonProperty("distilled-system-1") DISTILLED_SYSTEM_1,
    /** A student that is trained on the unfiltered answers of System 2. */
    @JsonProperty("unfiltered") UNFILTERED
}
