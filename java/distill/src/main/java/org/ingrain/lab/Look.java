package org.ingrain.lab;

/**
 * What a checkpoint can do on the development questions: shares of right answers, 0 to 1.
 *
 * @param step     of the training
 * @param tokens   trained on so far
 * @param letters1 two-word letters, at once
 * @param letters2 in two steps
 * @param coin1    a coin and three people, at once
 * @param coin2    in two steps
 * @param sum1     a sum of five numbers, at once
 * @param sum2     step by step
 */
public record Look(int step, long tokens, double letters1, double letters2, double coin1, double coin2, double sum1, double sum2) {
    /** Whether two steps work for both: the rule by which a checkpoint is chosen. How well the model answers at once plays no part in it. */
    boolean works(double share) {
        return letters2 >= share && coin2 >= share;
    }
}
