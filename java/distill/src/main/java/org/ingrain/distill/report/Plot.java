package org.ingrain.distill.report;

import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/**
 * A drawing for a page or an image: SVG, whose colours are those of the page it stands in, or fixed ones. It is described in words for
 * those who do not see it; the same figures stand in a table beside it.
 */
final class Plot {
    static final int WIDTH = 440;
    static final int HEIGHT = 312;
    static final double LEFT = 48;
    static final double RIGHT = WIDTH - 16;
    static final double TOP = 34;
    static final double BOTTOM = HEIGHT - 46;

    private final Markup svg = new Markup();
    private final Function<Ink, String> colour;

    /** What a plot is and says: its name in files, a title, a description. */
    record Words(String name, String title, String description) {
    }

    /** An entry of a legend. */
    record Key(String name, Ink ink) {
    }

    Plot(Words words, Function<Ink, String> colour) {
        this.colour = colour;
        svg.open("svg", "xmlns", "http://www.w3.org/2000/svg", "viewBox", "0 0 " + WIDTH + " " + HEIGHT, "role", "img",
                "aria-labelledby", words.name() + "-title " + words.name() + "-desc", "font-family", "system-ui, 'DejaVu Sans', sans-serif",
                "font-size", "13");
        svg.leaf("title", words.title(), "id", words.name() + "-title");
        svg.leaf("desc", words.description(), "id", words.name() + "-desc");
        svg.empty("rect", "width", WIDTH, "height", HEIGHT, "fill", colour.apply(Ink.SURFACE));
    }

    /** Grid lines and figures from bottom to top, and what they count. */
    void yAxis(Axis y, String name) {
        for (double tick : y.ticks()) {
            line(LEFT, y.at(tick), RIGHT, y.at(tick), Ink.LINE, null);
            text(LEFT - 7, y.at(tick) + 4, Axis.label(tick), Ink.MUTED, "end");
        }
        line(LEFT, BOTTOM, RIGHT, BOTTOM, Ink.MUTED, null);
        text(4, 14, name, Ink.MUTED, "start");
    }

    /** Ticks and figures from left to right, and what they count. */
    void xAxis(Axis x, String name) {
        x.ticks().forEach(tick -> tick(x.at(tick), Axis.label(tick)));
        xName(name);
    }

    void xName(String name) {
        text((LEFT + RIGHT) / 2, HEIGHT - 8, name, Ink.MUTED, "middle");
    }

    void tick(double x, String label) {
        line(x, BOTTOM, x, BOTTOM + 4, Ink.MUTED, null);
        text(x, BOTTOM + 18, label, Ink.MUTED, "middle");
    }

    /** In a row at the top, from the right. */
    void legend(List<Key> keys) {
        double x = RIGHT;
        for (Key key : keys.reversed()) {
            text(x, 14, key.name(), Ink.TEXT, "end");
            x -= 6.9 * key.name().length() + 16;
            svg.empty("rect", "x", number(x), "y", 5, "width", 10, "height", 10, "rx", 2, "fill", colour.apply(key.ink()));
            x -= 12;
        }
    }

    void line(double x1, double y1, double x2, double y2, Ink ink, String dashes) {
        svg.empty("line", "x1", number(x1), "y1", number(y1), "x2", number(x2), "y2", number(y2), "stroke", colour.apply(ink),
                "stroke-dasharray", dashes);
    }

    /** A line through points, which stand as x,y pairs. */
    void path(List<double[]> points, Ink ink, double width, String dashes) {
        StringBuilder way = new StringBuilder();
        for (double[] point : points) {
            way.append(way.isEmpty() ? "M" : " L").append(number(point[0])).append(' ').append(number(point[1]));
        }
        svg.empty("path", "d", way, "fill", "none", "stroke", colour.apply(ink), "stroke-width", number(width), "stroke-linejoin", "round",
                "stroke-dasharray", dashes);
    }

    void area(List<double[]> corners, Ink ink) {
        StringBuilder way = new StringBuilder();
        for (double[] corner : corners) {
            way.append(way.isEmpty() ? "M" : " L").append(number(corner[0])).append(' ').append(number(corner[1]));
        }
        svg.empty("path", "d", way.append(" Z"), "fill", colour.apply(ink));
    }

    void dot(double x, double y, double radius, Ink ink, String told) {
        svg.open("circle", "cx", number(x), "cy", number(y), "r", number(radius), "fill", colour.apply(ink)).leaf("title", told).close("circle");
    }

    void bar(double[] box, Ink ink, String told) {
        svg.open("rect", "x", number(box[0]), "y", number(box[1]), "width", number(box[2]), "height", number(box[3]),
                "fill", colour.apply(ink)).leaf("title", told).close("rect");
    }

    void text(double x, double y, String text, Ink ink, String anchor) {
        svg.leaf("text", text, "x", number(x), "y", number(y), "fill", colour.apply(ink), "text-anchor", anchor);
    }

    void strong(double x, double y, String text, Ink ink, String anchor) {
        svg.leaf("text", text, "x", number(x), "y", number(y), "fill", colour.apply(ink), "text-anchor", anchor, "font-weight", 600);
    }

    Markup end() {
        return svg.close("svg");
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
