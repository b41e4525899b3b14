package org.ingrain.distill.report.plot;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.report.table.Figures;

/**
 * A plot of the accuracy of each arm (y axis) over the arm's mean number of generated tokens (x axis). After a
 * successful distillation, the student's point is to the left of System 2's point and at about the same height. A
 * dotted line shows the majority baseline: the accuracy of always giving the most frequent gold answer.
 *
 * @param arms results of the arms; at least one
 */
public record AccuracyPlot(List<ArmResult> arms) {
    private static final double LABEL_HEIGHT = 15;

    /**
     * The label beside an arm's point. The label is moved up or down to avoid overlaps; {@code y} is its vertical
     * centre.
     */
    private record Label(String text, double width, Colour ink, Plot.Point point, double y) {
        Label at(double other) {
            return new Label(text, width, ink, point, other);
        }

        /** 1 if the label is to the right of its point, -1 if it is to the left. */
        int side() {
            return point.x() < (Plot.LEFT + Plot.RIGHT) / 2 ? 1 : -1;
        }

        double start() {
            return point.x() + 14 * side();
        }

        boolean overlaps(Label other) {
            return Math.abs(y - other.y) < LABEL_HEIGHT && left() < other.left() + other.width
                    && other.left() < left() + width;
        }

        boolean covers(Plot.Point other) {
            return Math.abs(y - other.y()) < LABEL_HEIGHT / 2 && left() < other.x() && other.x() < left() + width;
        }

        private double left() {
            return side() > 0 ? start() : start() - width;
        }
    }

    public Plot.Words words() {
        return new Plot.Words("accuracy-tokens", "Accuracy against #Tokens",
                String.join("; ", arms.stream().map(AccuracyPlot::description).toList()) + "; "
                + arms.getFirst().commonest().title() + ": "
                + Figures.percent(arms.getFirst().commonest().accuracy()) + " % right");
    }

    public Plot draw() {
        Plot plot = new Plot(words());
        double least = arms.stream().mapToDouble(AccuracyPlot::tokens).min().orElse(1);
        double most = arms.stream().mapToDouble(AccuracyPlot::tokens).max().orElse(1);
        Axis x = Axis.logarithmic(least, most, Plot.LEFT, Plot.RIGHT);
        Axis y = new Axis(0, 100, Plot.BOTTOM, Plot.TOP, false);
        plot.yAxis(y, "accuracy %");
        plot.xAxis(x, "#Tokens generated per question (log scale)");
        double constant = y.at(100 * arms.getFirst().commonest().accuracy());
        plot.path(List.of(new Plot.Point(Plot.LEFT, constant), new Plot.Point(Plot.RIGHT, constant)), Colour.MUTED, 1,
                2);
        List<Plot.Point> taken = new ArrayList<>(arrow(plot, x, y));
        arms.forEach(arm -> taken.add(point(arm, x, y)));
        for (ArmResult arm : arms) {
            Colour ink = Colour.of(arm.role());
            double at = point(arm, x, y).x();
            double low = y.at(100 * arm.low());
            double high = y.at(100 * arm.high());
            plot.path(List.of(new Plot.Point(at, low), new Plot.Point(at, high)), ink, 1.5, 0);
            plot.line(new Plot.Point(at - 4, low), new Plot.Point(at + 4, low), ink);
            plot.line(new Plot.Point(at - 4, high), new Plot.Point(at + 4, high), ink);
            plot.dot(point(arm, x, y), arm.role() == Role.DISTILLED ? 6.5 : 5,
                    ink, description(arm));
        }
        labels(plot, x, y, taken);
        return plot;
    }

    /**
     * Draws an arrow from System 2's point to the point of its student, unless these points are close to each other.
     * Returns points on the arrow: labels must not cover them.
     */
    private List<Plot.Point> arrow(Plot plot, Axis x, Axis y) {
        ArmResult from = ArmResult.first(arms, Role.SYSTEM_2);
        ArmResult to = ArmResult.first(arms, Role.DISTILLED);
        if (from == null || to == null) {
            return List.of();
        }
        Plot.Point start = point(from, x, y);
        Plot.Point end = point(to, x, y);
        double length = Math.hypot(end.x() - start.x(), end.y() - start.y());
        if (length < 60) {
            return List.of();
        }
        double dx = (end.x() - start.x()) / length;
        double dy = (end.y() - start.y()) / length;
        Plot.Point tip = new Plot.Point(end.x() - 11 * dx, end.y() - 11 * dy);
        plot.path(List.of(new Plot.Point(start.x() + 9 * dx, start.y() + 9 * dy), tip), Colour.MUTED, 1.2, 4);
        plot.area(List.of(tip, new Plot.Point(tip.x() - 8 * dx + 4 * dy, tip.y() - 8 * dy - 4 * dx),
                new Plot.Point(tip.x() - 8 * dx - 4 * dy, tip.y() - 8 * dy + 4 * dx)), Colour.MUTED, null);
        return IntStream.rangeClosed(0, (int) length / 4)
                .mapToObj(i -> new Plot.Point(start.x() + 4 * i * dx, start.y() + 4 * i * dy)).toList();
    }

    private void labels(Plot plot, Axis x, Axis y, List<Plot.Point> taken) {
        Glyphs glyphs = Glyphs.load();
        List<Label> placed = new ArrayList<>();
        for (ArmResult arm : arms) {
            Plot.Point point = point(arm, x, y);
            String text = arm.title() + " " + Figures.percent(arm.accuracy());
            Label label = free(new Label(text, glyphs.width(text, Plot.LETTER, true), Colour.of(arm.role()), point,
                    point.y()), placed, taken);
            placed.add(label);
            if (Math.abs(label.y() - point.y()) > 5) {
                plot.line(new Plot.Point(point.x() + 6 * label.side(), point.y()),
                        new Plot.Point(point.x() + 12 * label.side(), label.y()), label.ink());
            }
            plot.strong(new Plot.Point(label.start(), label.y() + 4), text, label.ink(), label.side() > 0
                    ? Plot.Anchor.START : Plot.Anchor.END);
        }
    }

    /** Returns the label, moved to the nearest free position. Returns it unchanged if no position is free. */
    private static Label free(Label label, List<Label> placed, List<Plot.Point> taken) {
        for (double off = 0; off < Plot.BOTTOM - Plot.TOP; off += LABEL_HEIGHT / 3) {
            for (int way : new int[] {-1, 1}) {
                Label moved = label.at(label.y() + way * off);
                if (moved.y() >= Plot.TOP && moved.y() <= Plot.BOTTOM - 8 && placed.stream().noneMatch(moved::overlaps)
                        && taken.stream().noneMatch(moved::covers)) {
                    return moved;
                }
            }
        }
        return label;
    }

    private static Plot.Point point(ArmResult arm, Axis x, Axis y) {
        return new Plot.Point(x.at(tokens(arm)), y.at(100 * arm.accuracy()));
    }

    /** Mean number of generated tokens of an arm, but at least 0.1, because a logarithmic axis cannot show 0. */
    private static double tokens(ArmResult arm) {
        return Math.max(0.1, arm.tokens());
    }

    private static String description(ArmResult arm) {
        return arm.title() + ": " + Figures.percent(arm.accuracy()) + " % right (" + Figures.percent(arm.low()) + " to "
                + Figures.percent(arm.high()) + "), "
                + Figures.tokens(arm.tokens()) + " tokens";
    }
}
