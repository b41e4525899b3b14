package org.ingrain.distill.report;

import java.util.ArrayList;
import java.util.List;

/**
 * A drawing, as shapes in the order in which they are put down: for a page by {@link Svg}, for an image by {@link Png}. It is described
 * in words for those who do not see it; the same figures stand in a table beside it.
 */
final class Plot {
    static final int WIDTH = 440;
    static final int HEIGHT = 312;
    static final int LETTER = 13;
    static final double LEFT = 48;
    static final double RIGHT = WIDTH - 16;
    static final double TOP = 34;
    static final double BOTTOM = HEIGHT - 46;

    private final Words words;
    private final List<Shape> shapes = new ArrayList<>();

    /** What a plot is and says: its name in files, a title, a description. */
    record Words(String name, String title, String description) {
    }

    /** An entry of a legend. */
    record LegendEntry(String name, Ink ink) {
    }

    record Point(double x, double y) {
    }

    /** Where a text stands to its point. */
    enum Anchor {
        START, MIDDLE, END
    }

    /** What is drawn. What is {@code told} of a shape is said where a pointer rests on it; null for nothing. */
    sealed interface Shape {
        /** @param dashes length of dashes and gaps, 0 for none */
        record Line(List<Point> points, Ink ink, double width, double dashes) implements Shape {
        }

        record Area(List<Point> corners, Ink ink, String told) implements Shape {
        }

        record Dot(Point at, double radius, Ink ink, String told) implements Shape {
        }

        record Text(Point at, String text, Ink ink, Anchor anchor, boolean bold) implements Shape {
        }
    }

    Plot(Words words) {
        this.words = words;
    }

    Words words() {
        return words;
    }

    List<Shape> shapes() {
        return shapes;
    }

    /** Grid lines and figures from bottom to top, and what they count. */
    void yAxis(Axis y, String name) {
        for (double tick : y.ticks()) {
            line(new Point(LEFT, y.at(tick)), new Point(RIGHT, y.at(tick)), Ink.LINE);
            text(new Point(LEFT - 7, y.at(tick) + 4), Axis.label(tick), Ink.MUTED, Anchor.END);
        }
        line(new Point(LEFT, BOTTOM), new Point(RIGHT, BOTTOM), Ink.MUTED);
        text(new Point(4, 14), name, Ink.MUTED, Anchor.START);
    }

    /** Ticks and figures from left to right, and what they count. */
    void xAxis(Axis x, String name) {
        x.ticks().forEach(tick -> tick(x.at(tick), Axis.label(tick)));
        xName(name);
    }

    void xName(String name) {
        text(new Point((LEFT + RIGHT) / 2, HEIGHT - 8), name, Ink.MUTED, Anchor.MIDDLE);
    }

    void tick(double x, String label) {
        line(new Point(x, BOTTOM), new Point(x, BOTTOM + 4), Ink.MUTED);
        text(new Point(x, BOTTOM + 18), label, Ink.MUTED, Anchor.MIDDLE);
    }

    /** In a row at the top, from the right. */
    void legend(List<LegendEntry> keys) {
        double x = RIGHT;
        for (LegendEntry key : keys.reversed()) {
            text(new Point(x, 14), key.name(), Ink.TEXT, Anchor.END);
            x -= Glyphs.load().width(key.name(), LETTER, false) + 15;
            bar(x, 4, new double[] {10, 10}, key.ink(), null);
            x -= 12;
        }
    }

    void line(Point from, Point to, Ink ink) {
        path(List.of(from, to), ink, 1, 0);
    }

    void path(List<Point> points, Ink ink, double width, double dashes) {
        shapes.add(new Shape.Line(points, ink, width, dashes));
    }

    void area(List<Point> corners, Ink ink, String told) {
        shapes.add(new Shape.Area(corners, ink, told));
    }

    /** @param size width and height */
    void bar(double x, double y, double[] size, Ink ink, String told) {
        area(List.of(new Point(x, y), new Point(x + size[0], y), new Point(x + size[0], y + size[1]), new Point(x, y + size[1])), ink, told);
    }

    void dot(Point at, double radius, Ink ink, String told) {
        shapes.add(new Shape.Dot(at, radius, ink, told));
    }

    void text(Point at, String text, Ink ink, Anchor anchor) {
        shapes.add(new Shape.Text(at, text, ink, anchor, false));
    }

    void strong(Point at, String text, Ink ink, Anchor anchor) {
        shapes.add(new Shape.Text(at, text, ink, anchor, true));
    }
}
