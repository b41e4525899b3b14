package org.ingrain.distill.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;
import org.ingrain.distill.evaluate.ArmResult;

/** Accuracy against #Tokens: up is right, left is cheap. Distillation wants to go left from System 2 and stay up. */
record AccuracyPlot(List<ArmResult> arms) {
    private static final double LABEL_HEIGHT = 15;

    /** A name beside its point, moved up or down where others are in its way. */
    private record Label(ArmResult arm, double x, double pointY, double y, boolean onTheRight) {
        Label movedTo(double other) {
            return new Label(arm, x, pointY, other, onTheRight);
        }
    }

    Plot.Words words() {
        return new Plot.Words("accuracy-tokens", "Accuracy against #Tokens", String.join("; ", arms.stream().map(AccuracyPlot::told).toList()));
    }

    Markup draw(Function<Ink, String> colour) {
        Plot plot = new Plot(words(), colour);
        double least = arms.stream().mapToDouble(AccuracyPlot::tokens).min().orElse(1);
        double most = arms.stream().mapToDouble(AccuracyPlot::tokens).max().orElse(1);
        Axis x = Axis.logarithmic(least, most, Plot.LEFT, Plot.RIGHT);
        Axis y = new Axis(0, 100, Plot.BOTTOM, Plot.TOP, false);
        plot.yAxis(y, "accuracy %");
        plot.xAxis(x, "#Tokens generated for each question (log scale)");
        way(plot, x, y);
        for (ArmResult arm : arms) {
            Ink ink = Ink.of(arm.name());
            double at = x.at(tokens(arm));
            double low = y.at(100 * arm.low());
            double high = y.at(100 * arm.high());
            plot.path(List.of(new double[] {at, low}, new double[] {at, high}), ink, 1.5, null);
            plot.line(at - 4, low, at + 4, low, ink, null);
            plot.line(at - 4, high, at + 4, high, ink, null);
            plot.dot(at, y.at(100 * arm.accuracy()), arm.name().startsWith("distilled") && !arm.name().equals("distilled-system-1") ? 6.5 : 5,
                    ink, told(arm));
        }
        labels(plot, x, y);
        return plot.end();
    }

    /** From System 2 to its student. */
    private void way(Plot plot, Axis x, Axis y) {
        ArmResult from = named("system-2");
        ArmResult to = named("distilled");
        if (from == null || to == null) {
            return;
        }
        double[] start = {x.at(tokens(from)), y.at(100 * from.accuracy())};
        double[] end = {x.at(tokens(to)), y.at(100 * to.accuracy())};
        double length = Math.hypot(end[0] - start[0], end[1] - start[1]);
        if (length < 60) {
            return;
        }
        double dx = (end[0] - start[0]) / length;
        double dy = (end[1] - start[1]) / length;
        double[] tip = {end[0] - 11 * dx, end[1] - 11 * dy};
        plot.path(List.of(new double[] {start[0] + 9 * dx, start[1] + 9 * dy}, tip), Ink.MUTED, 1.2, "4 4");
        plot.area(List.of(tip, new double[] {tip[0] - 8 * dx + 4 * dy, tip[1] - 8 * dy - 4 * dx},
                new double[] {tip[0] - 8 * dx - 4 * dy, tip[1] - 8 * dy + 4 * dx}), Ink.MUTED);
    }

    private void labels(Plot plot, Axis x, Axis y) {
        for (boolean onTheRight : new boolean[] {true, false}) {
            List<Label> labels = new ArrayList<>(arms.stream().map(arm -> new Label(arm, x.at(tokens(arm)), y.at(100 * arm.accuracy()),
                            y.at(100 * arm.accuracy()), x.at(tokens(arm)) < (Plot.LEFT + Plot.RIGHT) / 2))
                    .filter(label -> label.onTheRight() == onTheRight).sorted(Comparator.comparingDouble(Label::y)).toList());
            apart(labels);
            for (Label label : labels) {
                double side = onTheRight ? 1 : -1;
                if (Math.abs(label.y() - label.pointY()) > 5) {
                    plot.line(label.x() + 6 * side, label.pointY(), label.x() + 12 * side, label.y(), Ink.of(label.arm().name()), null);
                }
                plot.strong(label.x() + 14 * side, label.y() + 4, label.arm().title() + " " + Figures.percent(label.arm().accuracy()),
                        Ink.of(label.arm().name()), onTheRight ? "start" : "end");
            }
        }
    }

    /** From top to bottom each below the one before, then from the bottom up again, so that all of them stay inside. */
    private static void apart(List<Label> labels) {
        double above = Plot.TOP;
        for (int i = 0; i < labels.size(); i++) {
            labels.set(i, labels.get(i).movedTo(Math.max(labels.get(i).y(), above)));
            above = labels.get(i).y() + LABEL_HEIGHT;
        }
        double below = Plot.BOTTOM - 8;
        for (int i = labels.size() - 1; i >= 0; i--) {
            labels.set(i, labels.get(i).movedTo(Math.min(labels.get(i).y(), below)));
            below = labels.get(i).y() - LABEL_HEIGHT;
        }
    }

    private ArmResult named(String name) {
        return arms.stream().filter(arm -> arm.name().equals(name)).findFirst().orElse(null);
    }

    /** A logarithm has no place for fewer than one token in ten questions. */
    private static double tokens(ArmResult arm) {
        return Math.max(0.1, arm.tokens());
    }

    private static String told(ArmResult arm) {
        return arm.title() + ": " + Figures.percent(arm.accuracy()) + " % right (" + Figures.percent(arm.low()) + " to " + Figures.percent(arm.high()) + "), "
                + Figures.tokens(arm.tokens()) + " tokens";
    }
}
