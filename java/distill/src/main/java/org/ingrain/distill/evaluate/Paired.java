package org.ingrain.distill.evaluate;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Two arms that were asked the same questions, compared by McNemar's test (McNemar 1947) in its exact form: were
 * neither arm better, each question on which they differ would fall to either side like a fair coin.
 *
 * @param gained questions on which the second arm does better: it is right in more of the orders that they were asked
 *               in
 * @param lost   on which it does worse
 */
public record Paired(int gained, int lost) {
    private static final double LEVEL = 0.05;

    /** Of two arms' scores on the same questions. */
    public static Paired of(List<Score> first, List<Score> second) {
        Map<String, Integer> differences = new LinkedHashMap<>();
        first.forEach(score -> differences.merge(score.asked(), score.right() ? -1 : 0, Integer::sum));
        second.forEach(score -> differences.merge(score.asked(), score.right() ? 1 : 0, Integer::sum));
        return new Paired((int) differences.values().stream().filter(difference -> difference > 0).count(),
                (int) differences.values().stream().filter(difference -> difference < 0).count());
    }

    /** Two-sided p: how probable it is that coins fall at least as unevenly. */
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

    /** Whether chance alone seldom makes such a difference: in less than one of twenty times. */
    public boolean significant() {
        return p() < LEVEL;
    }
}
