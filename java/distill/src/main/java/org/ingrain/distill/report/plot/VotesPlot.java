package org.ingrain.distill.report.plot;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.distill.report.table.StudentFiles;

/**
 * Histogram of the examples by votes or by margin. Each bar is stacked by verdict.
 *
 * @param words  name, title and description of this histogram
 * @param xName  name of the x axis
 * @param counts numbers of examples by value on the x axis; the index into each array is the ordinal of a
 *               {@link VoteCounts.Fate}; not empty
 */
public record VotesPlot(Plot.Words words, String xName, Map<Integer, int[]> counts) {
    private static final int MOST_BARS = 34;
    private static final double WIDEST = 60;

    public static VotesPlot votes(StudentFiles student, VoteCounts counted) {
        return new VotesPlot(words("votes-", "Votes of the first answer", student, counted.byVotes()),
                "votes of the first answer", counted.byVotes());
    }

    public static VotesPlot margins(StudentFiles student, VoteCounts counted) {
        return new VotesPlot(words("margins-", "Margin", student, counted.byMargin()),
                "margin: votes of the first answer minus votes of the second", counted.byMargin());
    }

    private static Plot.Words words(String prefix, String title, StudentFiles student, Map<Integer, int[]> counts) {
        List<String> parts = new ArrayList<>();
        counts.forEach((value, fates) -> parts.add(value + ": " + description(fates)));
        return new Plot.Words(prefix + student.name(), title + ", " + student.title(), String.join("; ", parts));
    }

    public Plot draw() {
        Plot plot = new Plot(words);
        int first = counts.keySet().stream().mapToInt(Integer::intValue).min().orElseThrow();
        int last = counts.keySet().stream().mapToInt(Integer::intValue).max().orElseThrow();
        int together = Math.ceilDiv(last - first + 1, MOST_BARS);
        Map<Integer, int[]> bars = bars(first, together);
        int most = bars.values().stream().mapToInt(fates -> Arrays.stream(fates).sum()).max().orElse(1);
        Axis y = Axis.fromZero(Math.max(4, most), Plot.BOTTOM, Plot.TOP);
        plot.yAxis(y, "examples");
        plot.xName(xName);
        int all = Math.ceilDiv(last - first + 1, together);
        double width = Math.min(WIDEST, (Plot.RIGHT - Plot.LEFT) / all);
        double left = (Plot.LEFT + Plot.RIGHT - all * width) / 2;
        int every = Math.ceilDiv(all, together == 1 ? 17 : 9);
        for (int bar = 0; bar < all; bar++) {
            double x = left + bar * width;
            String values = together == 1 ? String.valueOf(first + bar)
                    : first + bar * together + "-" + (first + bar * together + together - 1);
            stack(plot, new double[] {x, width}, y, bars.getOrDefault(bar, new int[VoteCounts.Fate.values().length]),
                    values);
            if (bar % every == 0) {
                plot.tick(x + width / 2, values);
            }
        }
        plot.legend(Arrays.stream(VoteCounts.Fate.values())
                .filter(fate -> counts.values().stream().anyMatch(fates -> fates[fate.ordinal()] > 0))
                .map(fate -> new Plot.LegendEntry(fate.words(), fate.ink())).toList());
        return plot;
    }

    /** @param column left edge and width of the column */
    private static void stack(Plot plot, double[] column, Axis y, int[] fates, String values) {
        int below = 0;
        double gap = Math.min(4, column[1] * 0.12);
        for (VoteCounts.Fate fate : VoteCounts.Fate.values()) {
            int n = fates[fate.ordinal()];
            if (n > 0) {
                double top = y.at(below + n);
                plot.bar(column[0] + gap, top, new double[] {column[1] - 2 * gap, y.at(below) - top}, fate.ink(),
                        values + ": " + n + " " + fate.words());
                below += n;
            }
        }
    }

    private Map<Integer, int[]> bars(int first, int together) {
        Map<Integer, int[]> bars = new TreeMap<>();
        counts.forEach((value, fates) -> {
            int[] bar = bars.computeIfAbsent((value - first) / together, n -> new int[fates.length]);
            Arrays.setAll(bar, fate -> bar[fate] + fates[fate]);
        });
        return bars;
    }

    private static String description(int[] fates) {
        List<String> parts = new ArrayList<>();
        for (VoteCounts.Fate fate : VoteCounts.Fate.values()) {
            if (fates[fate.ordinal()] > 0) {
                parts.add(fates[fate.ordinal()] + " " + fate.words());
            }
        }
        return String.join(", ", parts);
    }
}
