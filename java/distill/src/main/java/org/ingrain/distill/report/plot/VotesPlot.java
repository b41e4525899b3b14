package org.ingrain.distill.report.plot;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.distill.report.table.StudentFiles;

/**
 * Histogram of the examples by votes or by margin. Each bar is stacked by verdict. The x axis has all possible values.
 * If the verdict on an example was decided early, its value is only a lower bound. The part of a bar with such examples
 * is striped.
 *
 * @param words  name, title and description of this histogram
 * @param xName  name of the x axis
 * @param last   largest possible value on the x axis
 * @param counts numbers of examples by value on the x axis; {@link VoteCounts#index} gives the index into each array
 */
public record VotesPlot(Plot.Words words, String xName, int last, Map<Integer, int[]> counts) {
    private static final int MOST_BARS = 34;
    private static final double WIDEST = 60;
    private static final double STRIPE = 5;

    public static VotesPlot votes(StudentFiles student, VoteCounts counted) {
        return new VotesPlot(words("votes-", "Votes for the most frequent answer", student, counted.byVotes()),
                "votes for the most frequent answer" + bound(counted), counted.voters(), counted.byVotes());
    }

    public static VotesPlot margins(StudentFiles student, VoteCounts counted) {
        return new VotesPlot(words("margins-", "Margin", student, counted.byMargin()),
                "margin over the second answer" + bound(counted), counted.voters(), counted.byMargin());
    }

    private static String bound(VoteCounts counted) {
        return counted.early() ? "; striped: lower bound" : "";
    }

    private static Plot.Words words(String prefix, String title, StudentFiles student, Map<Integer, int[]> counts) {
        List<String> parts = new ArrayList<>();
        counts.forEach((value, fates) -> parts.add(value + ": " + description(fates)));
        return new Plot.Words(prefix + student.name(), title + ", " + student.title(), String.join("; ", parts));
    }

    public Plot draw() {
        Plot plot = new Plot(words);
        int together = Math.ceilDiv(last + 1, MOST_BARS);
        Map<Integer, int[]> bars = bars(together);
        int most = bars.values().stream().mapToInt(fates -> Arrays.stream(fates).sum()).max().orElse(1);
        Axis y = Axis.fromZero(Math.max(4, most), Plot.BOTTOM, Plot.TOP);
        plot.yAxis(y, "examples");
        plot.xName(xName);
        int all = Math.ceilDiv(last + 1, together);
        double width = Math.min(WIDEST, (Plot.RIGHT - Plot.LEFT) / all);
        double left = (Plot.LEFT + Plot.RIGHT - all * width) / 2;
        int every = Math.ceilDiv(all, together == 1 ? 17 : 9);
        for (int bar = 0; bar < all; bar++) {
            double x = left + bar * width;
            String values = together == 1 ? String.valueOf(bar)
                    : bar * together + "-" + (bar * together + together - 1);
            stack(plot, new double[] {x, width}, y,
                    bars.getOrDefault(bar, new int[2 * VoteCounts.Fate.values().length]), values);
            if (bar % every == 0) {
                plot.tick(x + width / 2, values);
            }
        }
        plot.legend(Arrays.stream(VoteCounts.Fate.values())
                .filter(fate -> counts.values().stream().anyMatch(fates -> of(fates, fate) > 0))
                .map(fate -> new Plot.LegendEntry(fate.words(), fate.ink())).toList());
        return plot;
    }

    /** @param column left edge and width of the column */
    private static void stack(Plot plot, double[] column, Axis y, int[] fates, String values) {
        int below = 0;
        double gap = Math.min(4, column[1] * 0.12);
        for (VoteCounts.Fate fate : VoteCounts.Fate.values()) {
            for (boolean early : new boolean[] {false, true}) {
                int n = fates[VoteCounts.index(fate, early)];
                if (n > 0) {
                    double top = y.at(below + n);
                    plot.bar(column[0] + gap, top, new double[] {column[1] - 2 * gap, y.at(below) - top}, fate.ink(),
                            values + ": " + n + " " + fate.words() + (early ? ", decided early" : ""));
                    for (double stripe = y.at(below) - STRIPE; early && stripe > top; stripe -= STRIPE) {
                        plot.path(List.of(new Plot.Point(column[0] + gap, stripe),
                                new Plot.Point(column[0] + column[1] - gap, stripe)), Colour.SURFACE, 1.2, 0);
                    }
                    below += n;
                }
            }
        }
    }

    private static int of(int[] fates, VoteCounts.Fate fate) {
        return fates[VoteCounts.index(fate, false)] + fates[VoteCounts.index(fate, true)];
    }

    private Map<Integer, int[]> bars(int together) {
        Map<Integer, int[]> bars = new TreeMap<>();
        counts.forEach((value, fates) -> {
            int[] bar = bars.computeIfAbsent(value / together, n -> new int[fates.length]);
            Arrays.setAll(bar, fate -> bar[fate] + fates[fate]);
        });
        return bars;
    }

    private static String description(int[] fates) {
        List<String> parts = new ArrayList<>();
        for (VoteCounts.Fate fate : VoteCounts.Fate.values()) {
            if (of(fates, fate) > 0) {
                int early = fates[VoteCounts.index(fate, true)];
                parts.add(of(fates, fate) + " " + fate.words() + (early == 0 ? "" : " (" + early + " early)"));
            }
        }
        return String.join(", ", parts);
    }
}
