package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * How the label is chosen among the answers of an example. The paper does not state which majority it means, so both
 * are available.
 */
public enum Rule {
    /** The answer of more than half of all samples; samples without an answer count, too. */
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
    /** No filter: one label per sample. */
    @JsonProperty("all") ALL;

    /** Whether the label is chosen by votes. */
    public boolean votes() {
        return this == MORE_THAN_HALF || this == PLURALITY;
    }
}
