package org.ingrain.lab;

import java.util.Map;

/**
 * What a checkpoint can do.
 *
 * @param step   of the training
 * @param tokens trained on so far
 * @param kinds  of questions, each with how they are answered
 */
public record Look(int step, long tokens, Map<LabQuestions.Kind, Shares> kinds) {
    /**
     * Shares of right answers, 0 to 1.
     *
     * @param atOnce System 1's
     * @param worked by the kind's method
     */
    public record Shares(double atOnce, double worked) {
    }

    /**
     * Whether the methods work: the rule by which a checkpoint is chosen. How well the model answers at once plays no
     * part in it.
     */
    boolean works(double share) {
        return kinds.values().stream().allMatch(shares -> shares.worked() >= share);
    }
}
