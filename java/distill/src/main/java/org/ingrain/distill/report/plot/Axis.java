package org.ingrain.distill.report.plot;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * An axis of a plot, which maps values to positions.
 *
 * @param low  value at position {@code from}
 * @param high value at position {@code to}; greater than {@code low}
 * @param from start position in units of the drawing
 * @param log  whether the scale is logarithmic; if so, {@code low} is greater than 0
 */
record Axis(double low, double high, double from, double to, boolean log) {
    /** A linear axis from 0 to a round number that is at least {@code most}. */
    static Axis fromZero(double most, double from, double to) {
        double step = step(most <= 0 ? 1 : most);
        return new Axis(0, Math.max(step, Math.ceil(most / step - 1e-9) * step), from, to, false);
    }

    /**
     * A logarithmic axis whose range includes {@code least} and {@code most}, which must be greater than 0. The ends of
     * the axis are 1, 2 or 5 times a power of 10.
     */
    static Axis logarithmic(double least, double most, double from, double to) {
        double below = Math.pow(10, Math.floor(Math.log10(least * 0.8)));
        double low = below * (least * 0.8 >= 5 * below ? 5 : least * 0.8 >= 2 * below ? 2 : 1);
        double above = Math.pow(10, Math.floor(Math.log10(most * 1.25)));
        double high = above * (most * 1.25 <= above ? 1 : most * 1.25 <= 2 * above ? 2 : most * 1.25 <= 5 * above
                ? 5 : 10);
        return new Axis(low, high, from, to, true);
    }

    double at(double value) {
        double share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
        return from + Math.clamp(share, 0, 1) * (to - from);
    }

    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        if (log) {
            for (int power = (int) Math.floor(Math.log10(low) + 1e-9); power <= Math.log10(high) + 1e-9; power++) {
                for (int factor : new int[] {1, 2, 5}) {
                    double tick = factor * Math.pow(10, power);
                    if (tick >= low * 0.999 && tick <= high * 1.001 && (factor == 1 || high / low < 300)) {
                        ticks.add(tick);
                    }
                }
            }
            return ticks;
        }
        double step = step(high - low);
        for (int i = 0; low + i * step <= high + step * 1e-6; i++) {
            ticks.add(low + i * step);
        }
        return ticks;
    }

    static String label(double value) {
        return value == Math.rint(value) ? String.format(Locale.ROOT, "%,d", (long) value)
                : String.format(Locale.ROOT, "%.4f", value).replaceAll("0+$", "");
    }

    /** The distance between ticks: a round number, about a quarter of {@code range}. */
    private static double step(double range) {
        double power = Math.pow(10, Math.floor(Math.log10(range / 4)));
        double share = range / 4 / power;
        return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
    }
}
