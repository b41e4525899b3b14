package org.ingrain.distill.report.table;

import java.util.Locale;

/** Formats the figures of all reports. */
public final class Figures {
    private Figures() {
    }

    /** Formats a share from 0 to 1 as a percentage, without the percent sign. */
    public static String percent(double share) {
        return of("%.1f", 100 * share);
    }

    public static String tokens(double tokens) {
        return of("%,.1f", tokens);
    }

    public static String loss(double loss) {
        return of("%.4f", loss);
    }

    /** Formats a p-value, such as {@code p = 0.003}. */
    public static String p(double p) {
        return p < 0.001 ? "p < 0.001" : of("p = %.3f", p);
    }

    public static String count(long n) {
        return of("%,d", n);
    }

    public static String count(long n, String one, String many) {
        return count(n) + " " + (n == 1 ? one : many);
    }

    private static String of(String format, Object value) {
        return String.format(Locale.ROOT, format, value);
    }
}
