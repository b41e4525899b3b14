package org.ingrain.distill.report.plot;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.Shape;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import javax.imageio.ImageIO;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/**
 * Draws a {@link Plot} as a PNG image in the colours of light mode. Text is drawn with {@link Glyphs}, so the machine
 * needs neither a display nor fonts.
 */
public record Png(Glyphs glyphs) {
    /** Pixels per unit of the drawing. */
    private static final int SCALE = 3;

    public byte[] of(Plot plot) {
        BufferedImage image = new BufferedImage(Plot.WIDTH * SCALE, Plot.HEIGHT * SCALE, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        graphics.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
        graphics.scale(SCALE, SCALE);
        graphics.setColor(colour(Colour.SURFACE));
        graphics.fill(new Rectangle2D.Double(0, 0, Plot.WIDTH, Plot.HEIGHT));
        plot.shapes().forEach(shape -> draw(graphics, shape));
        graphics.dispose();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
            ImageIO.write(image, "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private void draw(Graphics2D graphics, Plot.Shape shape) {
        switch (shape) {
            case Plot.Shape.Line(var points, Colour ink, double width, double dashes) -> {
                graphics.setColor(colour(ink));
                graphics.setStroke(new BasicStroke((float) width, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 10,
                        dashes == 0 ? null : new float[] {(float) dashes, (float) dashes}, 0));
                graphics.draw(way(points, false));
            }
            case Plot.Shape.Area(var corners, Colour ink, String tooltip) -> fill(graphics, way(corners, true), ink);
            case Plot.Shape.Dot(Plot.Point at, double radius, Colour ink, String tooltip) ->
                    fill(graphics, new Ellipse2D.Double(at.x() - radius, at.y() - radius, 2 * radius, 2 * radius), ink);
            case Plot.Shape.Text text -> text(graphics, text);
        }
    }

    private void text(Graphics2D graphics, Plot.Shape.Text text) {
        double width = glyphs.width(text.text(), Plot.LETTER, text.bold());
        double left = switch (text.anchor()) {
            case START -> text.at().x();
            case MIDDLE -> text.at().x() - width / 2;
            case END -> text.at().x() - width;
        };
        Shape outline = glyphs.outline(text.text(), new Plot.Point(left, text.at().y()), Plot.LETTER, text.bold());
        if (text.bold()) {
            graphics.setColor(colour(Colour.SURFACE));
            graphics.setStroke(new BasicStroke(3, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
            graphics.draw(outline);
        }
        fill(graphics, outline, text.ink());
    }

    private static void fill(Graphics2D graphics, Shape shape, Colour ink) {
        graphics.setColor(colour(ink));
        graphics.fill(shape);
    }

    private static Path2D way(List<Plot.Point> points, boolean closed) {
        Path2D way = new Path2D.Double();
        for (int i = 0; i < points.size(); i++) {
            if (i == 0) {
                way.moveTo(points.get(i).x(), points.get(i).y());
            } else {
                way.lineTo(points.get(i).x(), points.get(i).y());
            }
        }
        if (closed) {
            way.closePath();
        }
        return way;
    }

    private static Color colour(Colour ink) {
        return Color.decode(ink.light());
    }
}
