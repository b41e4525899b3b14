package org.ingrain.distill.evaluate;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Compares two arms on the same questions by the exact form of McNemar's test (McNemar 1947). The null hypothesis is:
 * if the arms differ on a question, each of the two is better with probability 1/2.
 *
 * @param gained number of questions on which the second arm is better, that is, right in more presentation orders of
 *               the question
 * @param lost   number of questions on which the second arm is worse
 */
public record Paired(int gained, int lost) {
    private static final double LEVEL = 0.05;

    public static Paired of(List<Score> first, List<Score> second) {
        Map<String, Integer> differences = new LinkedHashMap<>();
        first.forEach(score -> differences.merge(score.asked(), score.right() ? -1 : 0, Integer::sum));
        second.forEach(score -> differences.merge(score.asked(), score.right() ? 1 : 0, Integer::sum));
        return new Paired((int) differences.values().stream().filter(difference -> difference > 0).count(),
                (int) differences.values().stream().filter(difference -> difference < 0).count());
    }

    /**
     * Two-sided p-value: if the null hypothesis is true, the probability of a difference that is at least as large as
     * the observed one.
     */
    public double p() {
        int n = gained + lost;
        double log = -n * Math.log(2);
        double tail = Math.exp(log);
        for (int i = 0; i < Math.min(gained, lost); i++) {
            log += Math.log((double) (n - i) / (i + 1));
            tail += Math.exp(log);
        }
        return Math.min(1, 2 * tail);
    }

    /** Whether the difference is significant at the 5 % level. */
    public boolean significant() {
        return p() < LEVEL;
    }
}
