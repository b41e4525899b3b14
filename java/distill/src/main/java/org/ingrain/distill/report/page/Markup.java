package org.ingrain.distill.report.page;

import java.util.Map;

/**
 * Builds HTML or SVG. All texts and attribute values are escaped, because they may come from a model. The content of
 * another {@code Markup} is added without escaping, because that content is already escaped.
 */
final class Markup {
    private static final Map<Character, String> ESCAPES = Map.of(
            '&', "&amp;", '<', "&lt;", '>', "&gt;", '"', "&quot;", '\'', "&#39;");

    private final StringBuilder out = new StringBuilder();

    /** @param attributes attribute names and values, alternating; an attribute whose value is null is omitted */
    Markup open(String tag, Object... attributes) {
        start(tag, attributes);
        out.append('>');
        return this;
    }

    Markup close(String tag) {
        out.append("</").append(tag).append(">\n");
        return this;
    }

    /** Adds an element without content. */
    Markup empty(String tag, Object... attributes) {
        start(tag, attributes);
        out.append("/>\n");
        return this;
    }

    /** Adds an element that contains a text. */
    Markup leaf(String tag, String text, Object... attributes) {
        return open(tag, attributes).text(text).close(tag);
    }

    Markup text(String text) {
        escape(text);
        return this;
    }

    Markup add(Markup other) {
        out.append(other.out);
        return this;
    }

    @Override
    public String toString() {
        return out.toString();
    }

    private void start(String tag, Object... attributes) {
        out.append('<').append(tag);
        for (int i = 0; i < attributes.length; i += 2) {
            if (attributes[i + 1] != null) {
                out.append(' ').append(attributes[i]).append("=\"");
                escape(attributes[i + 1].toString());
                out.append('"');
            }
        }
    }

    private void escape(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean control = c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == 0xfffe || c == 0xffff;
            out.append(control ? "\ufffd" : ESCAPES.getOrDefault(c, String.valueOf(c)));
        }
    }
}
