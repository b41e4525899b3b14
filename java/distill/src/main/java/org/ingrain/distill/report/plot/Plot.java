package org.ingrain.distill.report.plot;

import java.util.ArrayList;
import java.util.List;

/**
 * A drawing, which is a list of shapes in drawing order. A page shows the drawing as SVG; {@link Png} makes an image of
 * the drawing. Each plot has a description for readers who cannot see the plot, and a table beside the plot has the
 * same figures.
 */
public final class Plot {
    public static final int WIDTH = 440;
    public static final int HEIGHT = 312;
    public static final int LETTER = 13;
    static final double LEFT = 48;
    static final double RIGHT = WIDTH - 16;
    static final double TOP = 34;
    static final double BOTTOM = HEIGHT - 46;

    private final Words words;
    private final List<Shape> shapes = new ArrayList<>();

    /** The texts for a plot: its name in file names and element ids, its title, and its description. */
    public record Words(String name, String title, String description) {
    }

    public record LegendEntry(String name, Colour ink) {
    }

    public record Point(double x, double y) {
    }

    /** States which part of a text is placed at the text's point: its start, its middle or its end. */
    public enum Anchor {
        START, MIDDLE, END
    }

    /** A shape. A page shows {@code tooltip} when the pointer is on the shape; null: no tooltip. */
    public sealed interface Shape {
        /** @param dashes length of each dash and of each gap, in units of the drawing; 0 for a solid line */
        record Line(List<Point> points, Colour ink, double width, double dashes) implements Shape {
        }

        record Area(List<Point> corners, Colour ink, String tooltip) implements Shape {
        }

        record Dot(Point at, double radius, Colour ink, String tooltip) implements Shape {
        }

        record Text(Point at, String text, Colour ink, Anchor anchor, boolean bold) implements Shape {
        }
    }

    Plot(Words words) {
        this.words = words;
    }

    public Words words() {
        return words;
    }

    public List<Shape> shapes() {
        return shapes;
    }

    /** Draws horizontal grid lines with their values, and the name of the axis. */
    void yAxis(Axis y, String name) {
        for (double tick : y.ticks()) {
            line(new Point(LEFT, y.at(tick)), new Point(RIGHT, y.at(tick)), Colour.LINE);
            text(new Point(LEFT - 7, y.at(tick) + 4), Axis.label(tick), Colour.MUTED, Anchor.END);
        }
        line(new Point(LEFT, BOTTOM), new Point(RIGHT, BOTTOM), Colour.MUTED);
        text(new Point(4, 14), name, Colour.MUTED, Anchor.START);
    }

    /** Draws ticks with their values, and the name of the axis. */
    void xAxis(Axis x, String name) {
        x.ticks().forEach(tick -> tick(x.at(tick), Axis.label(tick)));
        xName(name);
    }

    void xName(String name) {
        text(new Point((LEFT + RIGHT) / 2, HEIGHT - 8), name, Colour.MUTED, Anchor.MIDDLE);
    }

    void tick(double x, String label) {
        line(new Point(x, BOTTOM), new Point(x, BOTTOM + 4), Colour.MUTED);
        text(new Point(x, BOTTOM + 18), label, Colour.MUTED, Anchor.MIDDLE);
    }

    /** Draws the legend in one row at the top of the plot, right-aligned. */
    void legend(List<LegendEntry> keys) {
        double x = RIGHT;
        for (LegendEntry key : keys.reversed()) {
            text(new Point(x, 14), key.name(), Colour.TEXT, Anchor.END);
            x -= Glyphs.load().width(key.name(), LETTER, false) + 15;
            bar(x, 4, new double[] {10, 10}, key.ink(), null);
            x -= 12;
        }
    }

    void line(Point from, Point to, Colour ink) {
        path(List.of(from, to), ink, 1, 0);
    }

    void path(List<Point> points, Colour ink, double width, double dashes) {
        shapes.add(new Shape.Line(points, ink, width, dashes));
    }

    void area(List<Point> corners, Colour ink, String tooltip) {
        shapes.add(new Shape.Area(corners, ink, tooltip));
    }

    /** @param size width and height of the bar */
    void bar(double x, double y, double[] size, Colour ink, String tooltip) {
        area(List.of(new Point(x, y), new Point(x + size[0], y), new Point(x + size[0], y + size[1]),
                new Point(x, y + size[1])), ink, tooltip);
    }

    void dot(Point at, double radius, Colour ink, String tooltip) {
        shapes.add(new Shape.Dot(at, radius, ink, tooltip));
    }

    void text(Point at, String text, Colour ink, Anchor anchor) {
        shapes.add(new Shape.Text(at, text, ink, anchor, false));
    }

    void strong(Point at, String text, Colour ink, Anchor anchor) {
        shapes.add(new Shape.Text(at, text, ink, anchor, true));
    }
}
