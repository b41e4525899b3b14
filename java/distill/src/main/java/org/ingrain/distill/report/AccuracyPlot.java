package org.ingrain.distill.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
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

    Plot draw() {
        Plot plot = new Plot(words());
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
            plot.path(List.of(new Plot.Point(at, low), new Plot.Point(at, high)), ink, 1.5, 0);
            plot.line(new Plot.Point(at - 4, low), new Plot.Point(at + 4, low), ink);
            plot.line(new Plot.Point(at - 4, high), new Plot.Point(at + 4, high), ink);
            plot.dot(new Plot.Point(at, y.at(100 * arm.accuracy())), arm.name().startsWith("distilled") && !arm.name().equals("distilled-system-1") ? 6.5 : 5,
                    ink, told(arm));
        }
        labels(plot, x, y);
        return plot;
    }

    /** From System 2 to its student. */
    private void way(Plot plot, Axis x, Axis y) {
        ArmResult from = named("system-2");
        ArmResult to = named("distilled");
        if (from == null || to == null) {
            return;
        }
        Plot.Point start = new Plot.Point(x.at(tokens(from)), y.at(100 * from.accuracy()));
        Plot.Point end = new Plot.Point(x.at(tokens(to)), y.at(100 * to.accuracy()));
        double length = Math.hypot(end.x() - start.x(), end.y() - start.y());
        if (length < 60) {
            return;
        }
        double dx = (end.x() - start.x()) / length;
        double dy = (end.y() - start.y()) / length;
        Plot.Point tip = new Plot.Point(end.x() - 11 * dx, end.y() - 11 * dy);
        plot.path(List.of(new Plot.Point(start.x() + 9 * dx, start.y() + 9 * dy), tip), Ink.MUTED, 1.2, 4);
        plot.area(List.of(tip, new Plot.Point(tip.x() - 8 * dx + 4 * dy, tip.y() - 8 * dy - 4 * dx),
                new Plot.Point(tip.x() - 8 * dx - 4 * dy, tip.y() - 8 * dy + 4 * dx)), Ink.MUTED, null);
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
                    plot.line(new Plot.Point(label.x() + 6 * side, label.pointY()), new Plot.Point(label.x() + 12 * side, label.y()),
                            Ink.of(label.arm().name()));
                }
                plot.strong(new Plot.Point(label.x() + 14 * side, label.y() + 4), label.arm().title() + " " + Figures.percent(label.arm().accuracy()),
                        Ink.of(label.arm().name()), onTheRight ? Plot.Anchor.START : Plot.Anchor.END);
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
