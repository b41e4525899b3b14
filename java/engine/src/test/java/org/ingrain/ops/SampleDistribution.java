package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Reference for sampling in double precision: applies temperature, then top_k, then top_p to one row of logits. */
final class SampleDistribution {
    /**
     * The quantile of the normal distribution from which the critical value is computed. For a correct sampler,
     * Pearson's statistic exceeds this value with a probability of about 10⁻⁶.
     */
    private static final double QUANTILE = 4.75;
    private static final double LEAST_EXPECTED = 5;

    private SampleDistribution() {
    }

    /** The ids from the largest logit to the smallest; in a tie the lower id comes first. */
    static Integer[] order(float[] logits) {
        Integer[] order = IntStream.range(0, logits.length).boxed().toArray(Integer[]::new);
        Arrays.sort(order, (a, b) -> Double.compare(logits[b] + 0.0, logits[a] + 0.0));
        return order;
    }

    /**
     * Probability of each id. top_p keeps the smallest number of most probable ids whose probabilities sum to at least
     * top_p; in a tie the lower id comes first.
     *
     * @param order {@link #order} of the logits
     */
    static double[] of(float[] logits, Integer[] order, double temperature, int topK, double topP) {
        int kept = topK == 0 ? logits.length : Math.min(topK, logits.length);
        double[] weights = new double[kept];
        Arrays.setAll(weights, i -> Math.exp((logits[order[i]] - logits[order[0]]) / temperature));
        double total = Arrays.stream(weights).sum();
        double sum = 0;
        int n = 0;
        while (n < kept && (n == 0 || topP >= 1 || sum < topP * total)) {
            sum += weights[n++];
        }
        double[] p = new double[logits.length];
        for (int i = 0; i < n; i++) {
            p[order[i]] = weights[i] / sum;
        }
        return p;
    }

    /** Pearson's chi-square test. All ids with a small expected count form one cell together. */
    static void assertDrawnFrom(String what, double[] p, int[] ids) {
        long[] counts = new long[p.length];
        for (int id : ids) {
            assertTrue(p[id] > 0, what + ": drew id " + id + ", which has probability 0");
            counts[id]++;
        }
        double statistic = 0;
        int cells = 0;
        double rareExpected = 0;
        long rareCount = 0;
        for (int id = 0; id < p.length; id++) {
            double expected = p[id] * ids.length;
            if (expected >= LEAST_EXPECTED) {
                statistic += (counts[id] - expected) * (counts[id] - expected) / expected;
                cells++;
            } else {
                rareExpected += expected;
                rareCount += counts[id];
            }
        }
        if (rareExpected >= LEAST_EXPECTED) {
            statistic += (rareCount - rareExpected) * (rareCount - rareExpected) / rareExpected;
            cells++;
        }
        double freedom = Math.max(1, cells - 1);
        // Wilson & Hilferty 1931
        double critical = freedom * Math.pow(1 - 2 / (9 * freedom) + QUANTILE * Math.sqrt(2 / (9 * freedom)), 3);
        assertTrue(statistic <= critical, what + ": chi-square " + statistic + " over " + critical + " with " + freedom
                + " degrees of freedom");
    }
}
