package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * The rule that selects the label from the answers of an example. The paper (arXiv:2407.06023) does not state which
 * majority it means, so absolute majority and plurality are available.
 */
public enum Rule {
    /** The answer that more than half of all samples gave; samples without an answer are included in the total. */
    @JsonProperty("more-than-half") MORE_THAN_HALF,
    /** The answer that has more votes than any other. */
    @JsonProperty("plurality") PLURALITY,
    /**
     * The response that the model itself selects as the most consistent one (universal self-consistency,
     * arXiv:2311.17311).
     */
    @JsonProperty("universal") UNIVERSAL,
    /** The accepted answer with the highest score of the verifier; the first of equal ones (best of n). */
    @JsonProperty("best") BEST,
    /** The answer of the first sample, without a filter. */
    @JsonProperty("first") FIRST,
    /** Every sample gives a training target, without a filter. */
    @JsonProperty("all") ALL;

    /** Whether this rule selects the label by votes. */
    public boolean votes() {
        return this == MORE_THAN_HALF || this == PLURALITY;
    }
}
