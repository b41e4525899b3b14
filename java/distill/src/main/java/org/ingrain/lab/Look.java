package org.ingrain.lab;

import java.util.Map;

/**
 * The evaluation of a checkpoint.
 *
 * @param step   step of the training
 * @param tokens number of tokens trained on so far
 * @param kinds  results for each kind of questions
 */
public record Look(int step, long tokens, Map<LabQuestions.Kind, Shares> kinds) {
    /**
     * Shares of right answers, 0 to 1.
     *
     * @param atOnce share of System 1, asked directly
     * @param worked share with the kind's method
     */
    public record Shares(double atOnce, double worked) {
    }

    /**
     * Whether the methods have at least this accuracy on all kinds of questions. This rule selects a checkpoint; the
     * accuracy of direct answers is not part of it.
     */
    boolean works(double share) {
        return kinds.values().stream().allMatch(shares -> shares.worked() >= share);
    }
}
