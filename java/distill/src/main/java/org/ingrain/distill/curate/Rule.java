package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * Which answer of an example's samples is taken for its label. The paper does not say which majority it means; both are
 * here.
 */
public enum Rule {
    /** The answer of more than half of all samples, those without an answer counted. */
    @JsonProperty("more-than-half") MORE_THAN_HALF,
    /** The answer that has more votes than any other. */
    @JsonProperty("plurality") PLURALITY,
    /**
     * The response that the model itself selects as the most consistent one (universal self-consistency,
     * arXiv:2311.17311).
     */
    @JsonProperty("universal") UNIVERSAL,
    /** No filter: the first sample's answer. */
    @JsonProperty("first") FIRST,
    /** No filter: every sample's answer, one label each. */
    @JsonProperty("all") ALL;

    /** Whether samples must agree. */
    public boolean votes() {
        return this == MORE_THAN_HALF || this == PLURALITY;
    }
}
