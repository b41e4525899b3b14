package org.ingrain.distill.report.plot;

import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.geom.Path2D;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringTokenizer;

/**
 * Outlines of characters, for text in images. The outlines are part of the program for two reasons: Java cannot draw
 * text on a machine without fonts, and different fonts would make different images.
 */
public final class Glyphs {
    private static final double EM = 2048;

    private final Map<Integer, Glyph> regular = new HashMap<>();
    private final Map<Integer, Glyph> bold = new HashMap<>();

    private record Glyph(double advance, Path2D outline) {
    }

    private Glyphs() {
    }

    /** Java initialises this class at its first use, so the outlines are read once and only if they are needed. */
    private static final class Shipped {
        static final Glyphs GLYPHS = read();
    }

    public static Glyphs load() {
        return Shipped.GLYPHS;
    }

    private static Glyphs read() {
        Glyphs glyphs = new Glyphs();
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(Glyphs.class.getResourceAsStream("glyphs.txt"), StandardCharsets.UTF_8))) {
            lines.lines().filter(line -> !line.startsWith("#")).forEach(glyphs::add);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return glyphs;
    }

    /** Width of a text in units of the drawing, for a letter size in the same units. */
    double width(String text, double size, boolean strong) {
        return text.codePoints().mapToDouble(c -> glyph(c, strong).advance()).sum() * size / EM;
    }

    /**
     * The outlines of a text whose baseline begins at {@code start}; y increases downwards. Unknown characters are
     * drawn as question marks.
     */
    Shape outline(String text, Plot.Point start, double size, boolean strong) {
        Path2D all = new Path2D.Double(Path2D.WIND_NON_ZERO);
        double x = start.x();
        for (int c : text.codePoints().toArray()) {
            Glyph glyph = glyph(c, strong);
            all.append(glyph.outline().getPathIterator(new AffineTransform(size / EM, 0, 0, -size / EM, x, start.y())),
                    false);
            x += glyph.advance() * size / EM;
        }
        return all;
    }

    private Glyph glyph(int c, boolean strong) {
        Map<Integer, Glyph> all = strong ? bold : regular;
        return all.getOrDefault(c, all.get((int) '?'));
    }

    private void add(String line) {
        StringTokenizer words = new StringTokenizer(line);
        Map<Integer, Glyph> weight = words.nextToken().equals("bold") ? bold : regular;
        int c = Integer.parseInt(words.nextToken().substring(2), 16);
        double advance = Double.parseDouble(words.nextToken());
        Path2D outline = new Path2D.Double(Path2D.WIND_NON_ZERO);
        while (words.hasMoreTokens()) {
            String part = words.nextToken();
            List<Double> at = part.length() == 1 ? List.of() : List.of(part.substring(1).split(",")).stream()
                    .map(Double::valueOf).toList();
            switch (part.charAt(0)) {
                case 'M' -> outline.moveTo(at.get(0), at.get(1));
                case 'L' -> outline.lineTo(at.get(0), at.get(1));
                case 'Q' -> outline.quadTo(at.get(0), at.get(1), at.get(2), at.get(3));
                default -> outline.closePath();
            }
        }
        weight.put(c, new Glyph(advance, outline));
    }
}
