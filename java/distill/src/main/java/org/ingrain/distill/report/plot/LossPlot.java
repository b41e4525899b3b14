package org.ingrain.distill.report.plot;

import java.util.Comparator;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.stream.DoubleStream;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.report.table.Figures;

/**
 * A plot of the loss per target token at each optimizer step. The loss on the training rows is a solid line; the loss
 * on the validation rows is a dashed line with dots. The main student's lines are drawn last, so that no other line
 * covers them. If the losses differ by a factor of {@link #WIDE} or more, the y axis is logarithmic. On a linear axis,
 * most steps would be drawn at the lower end.
 */
public record LossPlot(List<TrainingCurve> curves) {
    public static final int POINTS = 240;
    private static final double WIDE = 10;
    /** A logarithmic axis is not extended for losses below this value. They are drawn at its lower end. */
    private static final double LEAST = 1e-3;

    public Plot.Words words() {
        return new Plot.Words("loss", "Training loss",
                String.join("; ", curves.stream().map(curve -> curve.title() + ": from "
                + Figures.loss(curve.steps().getFirst().loss()) + " to " + Figures.loss(curve.steps().getLast().loss())
                        + " in "
                + curve.steps().getLast().step() + " steps" + (curve.checks().isEmpty() ? "" : ", validation loss "
                + Figures.loss(curve.checks().getLast().loss()))).toList()));
    }

    public Plot draw() {
        Plot plot = new Plot(words());
        double steps = curves.stream().mapToInt(curve -> curve.steps().getLast().step()).max().orElse(1);
        DoubleSummaryStatistics losses = curves.stream().flatMapToDouble(curve -> DoubleStream.concat(
                curve.losses(POINTS).stream().mapToDouble(point -> point[1]),
                curve.checks().stream().mapToDouble(TrainingCurve.Check::loss))).summaryStatistics();
        double least = Math.max(LEAST, losses.getMin());
        double top = Plot.TOP + 16 * (curves.size() - 1);
        boolean log = losses.getMax() >= WIDE * least;
        Axis x = new Axis(0, Math.max(1, steps), Plot.LEFT, Plot.RIGHT, false);
        Axis y = log ? Axis.logarithmic(least, losses.getMax(), Plot.BOTTOM, top)
                : Axis.fromZero(losses.getMax(), Plot.BOTTOM, top);
        plot.yAxis(y, log ? "loss (log scale)" : "loss");
        plot.xAxis(x, "optimizer step");
        for (TrainingCurve curve : mainLast()) {
            Colour ink = Colour.of(curve.role());
            plot.path(place(curve.losses(POINTS), x, y), ink, 2, 0);
            List<Plot.Point> checks = place(curve.checks().stream()
                    .map(check -> new double[] {check.step(), check.loss()}).toList(), x, y);
            if (!checks.isEmpty()) {
                plot.path(checks, ink, 1.5, 5);
            }
            for (int k = 0; k < checks.size(); k++) {
                plot.dot(checks.get(k), 3, ink, curve.title() + ", step " + curve.checks().get(k).step()
                        + ": validation loss " + Figures.loss(curve.checks().get(k).loss()));
            }
            plot.strong(new Plot.Point(Plot.RIGHT, 14 + 16 * curves.indexOf(curve)), curve.title(), ink,
                    Plot.Anchor.END);
        }
        return plot;
    }

    private List<TrainingCurve> mainLast() {
        return curves.stream().sorted(Comparator.comparing(curve -> curve.role() == Role.DISTILLED)).toList();
    }

    private static List<Plot.Point> place(List<double[]> points, Axis x, Axis y) {
        return points.stream().map(point -> new Plot.Point(x.at(point[0]), y.at(point[1]))).toList();
    }
}
