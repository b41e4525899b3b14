package org.ingrain.distill.report.plot;

import java.util.List;
import org.ingrain.distill.report.table.Figures;

/**
 * A plot of the loss per target token at each optimizer step. The loss on the training rows is a solid line; the loss
 * on the validation rows is a dashed line with dots.
 */
public record LossPlot(List<TrainingCurve> curves) {
    public static final int POINTS = 240;

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
        double most = curves.stream().flatMap(curve -> curve.losses(POINTS).stream()).mapToDouble(point -> point[1])
                .max().orElse(1);
        double watched = curves.stream().flatMap(curve -> curve.checks().stream())
                .mapToDouble(TrainingCurve.Check::loss).max().orElse(0);
        Axis x = new Axis(0, Math.max(1, steps), Plot.LEFT, Plot.RIGHT, false);
        Axis y = Axis.fromZero(Math.max(most, watched), Plot.BOTTOM, Plot.TOP + 16 * (curves.size() - 1));
        plot.yAxis(y, "loss");
        plot.xAxis(x, "optimizer step");
        for (int i = 0; i < curves.size(); i++) {
            TrainingCurve curve = curves.get(i);
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
            plot.strong(new Plot.Point(Plot.RIGHT, 14 + 16 * i), curve.title(), ink, Plot.Anchor.END);
        }
        return plot;
    }

    private static List<Plot.Point> place(List<double[]> points, Axis x, Axis y) {
        return points.stream().map(point -> new Plot.Point(x.at(point[0]), y.at(point[1]))).toList();
    }
}
