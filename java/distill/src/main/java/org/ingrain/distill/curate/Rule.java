package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * The rule that selects the label from the answers of an example. The paper (arXiv:2407.06023) does not state which
 * majority it means, so absolute majority and plurality are available.
 */
public enum Rule {
    /** The answer that more than half of all samples gave; samples without an answer are included in the total. */
    @JsonProperty("more-than-half") MORE_THAN_HALF,
    /**
     * The answer that has more votes than any other. Without a minimum, a single vote would be enough if no other
     * sample has an answer. So by default a label needs at least {@link #usualMinVotes} votes, and at least the share
     * {@link #usualMinFraction} of all samples must vote for it.
     */
    @JsonProperty("plurality") PLURALITY,
    /**
     * The response that the model itself selects as the most consistent one (universal self-consistency,
     * arXiv:2311.17311).
     */
    @JsonProperty("universal") UNIVERSAL,
    /** The answer that the model itself judges better than the others, pair by pair (best of n). */
    @JsonProperty("judge") JUDGE,
    /** The accepted answer with the verifier's highest score; if several have it, the first of them (best of n). */
    @JsonProperty("best") BEST,
    /** The answer of the first sample, without a filter. */
    @JsonProperty("first") FIRST,
    /** Every sample that has an answer gives a training target, without a filter. */
    @JsonProperty("all") ALL;

    /** Minimum number of votes of a label if the user gives no minimum; 0: no minimum. */
    public int usualMinVotes() {
        return this == PLURALITY ? 2 : 0;
    }

    /**
     * Minimum share of all samples that must vote for a label, if the user gives no minimum. Samples without an answer
     * are included in the total. 0: no minimum.
     */
    public double usualMinFraction() {
        return this == PLURALITY ? 0.25 : 0;
    }

    /** Whether this rule asks the model about its own answers, in a stage after sampling. */
    public boolean asksModel() {
        return this == UNIVERSAL || this == JUDGE;
    }

    /** Whether this rule selects the label by votes. */
    public boolean votes() {
        return this == MORE_THAN_HALF || this == PLURALITY;
    }
}
