package org.ingrain.distill.report.page;

import java.util.List;
import java.util.Locale;
import org.ingrain.distill.report.plot.Colour;
import org.ingrain.distill.report.plot.Plot;

/** Draws a {@link Plot} as SVG. Its colours follow the light or dark theme of the page. */
final class Svg {
    private Svg() {
    }

    static Markup of(Plot plot) {
        String name = plot.words().name();
        Markup svg = new Markup().open("svg", "xmlns", "http://www.w3.org/2000/svg", "viewBox",
                "0 0 " + Plot.WIDTH + " " + Plot.HEIGHT,
                "role", "img", "aria-labelledby", name + "-title " + name + "-desc", "font-family",
                "system-ui, 'DejaVu Sans', sans-serif",
                "font-size", Plot.LETTER);
        svg.leaf("title", plot.words().title(), "id", name + "-title")
                .leaf("desc", plot.words().description(), "id", name + "-desc");
        plot.shapes().forEach(shape -> draw(svg, shape));
        return svg.close("svg");
    }

    private static void draw(Markup svg, Plot.Shape shape) {
        switch (shape) {
            case Plot.Shape.Line(var points, Colour ink, double width, double dashes) ->
                    svg.empty("path", "d", way(points), "fill", "none", "stroke", ink.themed(), "stroke-width",
                            number(width), "stroke-linejoin", "round", "stroke-dasharray", dashes == 0
                            ? null : number(dashes));
            case Plot.Shape.Area(var corners, Colour ink, String tooltip) ->
                    titled(svg.open("path", "d", way(corners) + " Z", "fill", ink.themed()), tooltip).close("path");
            case Plot.Shape.Dot(Plot.Point at, double radius, Colour ink, String tooltip) ->
                    titled(svg.open("circle", "cx", number(at.x()), "cy", number(at.y()), "r", number(radius), "fill",
                            ink.themed()), tooltip).close("circle");
            case Plot.Shape.Text(Plot.Point at, String text, Colour ink, Plot.Anchor anchor, boolean bold) ->
                    svg.leaf("text", text, "x", number(at.x()), "y", number(at.y()), "fill", ink.themed(),
                            "text-anchor", anchor.name().toLowerCase(Locale.ROOT), "font-weight", bold ? 600 : null,
                            "stroke", bold ? Colour.SURFACE.themed() : null, "stroke-width", bold ? 3 : null,
                            "paint-order", bold ? "stroke" : null);
        }
    }

    private static Markup titled(Markup svg, String tooltip) {
        return tooltip == null ? svg : svg.leaf("title", tooltip);
    }

    private static String way(List<Plot.Point> points) {
        StringBuilder way = new StringBuilder();
        for (Plot.Point point : points) {
            way.append(way.isEmpty() ? "M" : " L").append(number(point.x())).append(' ').append(number(point.y()));
        }
        return way.toString();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
