package org.ingrain.lab;

import java.util.Map;

/**
 * The result of an evaluation of a lab model at one step of its training.
 *
 * @param step   number of optimizer steps before the evaluation
 * @param tokens number of tokens in these steps
 * @param kinds  results for each kind of question
 */
public record Look(int step, long tokens, Map<LabQuestions.Kind, Shares> kinds) {
    /**
     * Shares of right answers, 0 to 1.
     *
     * @param atOnce share with direct questions (System 1)
     * @param worked share with the method of the kind (System 2)
     */
    public record Shares(double atOnce, double worked) {
    }

    /**
     * Whether the accuracy with the method is at least {@code share} for each kind of question. The training ends as
     * soon as this is true. The accuracy of direct answers is not considered.
     */
    boolean works(double share) {
        return kinds.values().stream().allMatch(shares -> shares.worked() >= share);
    }
}
