package org.ingrain.distill.evaluate;

/**
 * Wilson's interval for a share (Wilson 1927), which is also valid for few questions and for shares near 0 and 1.
 *
 * @param low  lower end, 0 to 1
 * @param high upper end
 */
public record Wilson(double low, double high) {
    /** The 97.5 % quantile of the normal distribution, for a two-sided 95 % interval. */
    private static final double Z = 1.959963984540054;

    /**
     * The 95 % interval of the share {@code right / n}.
     *
     * @param right sum of the scores of {@code n} questions; each score is from 0 to 1
     * @param n     number of independent questions, at least 1
     */
    public static Wilson of(double right, int n) {
        double share = right / n;
        double square = Z * Z / n;
        double centre = (share + square / 2) / (1 + square);
        double half = Z / (1 + square) * Math.sqrt(share * (1 - share) / n + square / (4.0 * n));
        return new Wilson(right == 0 ? 0 : Math.max(0, centre - half), right == n ? 1 : Math.min(1, centre + half));
    }
}
