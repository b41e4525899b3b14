package org.ingrain.files;

import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a run folder was made with: {@code run.json}. Two runs with equal {@link #settings()} write the same files, byte for byte, so
 * nothing that may differ without changing a result (thread count, paths, dates) belongs in them.
 *
 * @param format   version of the folder's layout
 * @param notes    for the reader, not compared: names of folders and files
 * @param settings every setting and fingerprint that a result depends on
 */
public record Manifest(int format, JsonNode notes, JsonNode settings) {
    /** The layout that this code reads and writes. */
    public static final int FORMAT = 1;

    public static Manifest of(Object notes, Object settings) {
        return new Manifest(FORMAT, Json.tree(notes), Json.tree(settings));
    }

    /** The first setting in which the two differ, as {@code name: here X, there Y}; empty if none does. */
    public Optional<Difference> difference(Manifest other) {
        if (format != other.format) {
            return Optional.of(new Difference("format", String.valueOf(format), String.valueOf(other.format)));
        }
        // Through text: 0 and 0.0, an int and a long, are told apart by their Java types but not by what is saved.
        return difference("", Json.parse(Json.line(settings), "settings"), Json.parse(Json.line(other.settings), "settings"));
    }

    /** One setting that differs. */
    public record Difference(String setting, String here, String there) {
    }

    private static Optional<Difference> difference(String path, JsonNode here, JsonNode there) {
        if (here instanceof ObjectNode a && there instanceof ObjectNode b) {
            Set<String> names = new LinkedHashSet<>(a.propertyNames());
            names.addAll(b.propertyNames());
            return names.stream()
                    .map(name -> difference(path.isEmpty() ? name : path + "." + name, a.path(name), b.path(name)))
                    .flatMap(Optional::stream)
                    .findFirst();
        }
        return here.equals(there) ? Optional.empty() : Optional.of(new Difference(path, text(here), text(there)));
    }

    private static String text(JsonNode node) {
        String text = node.isMissingNode() ? "none" : Json.line(node);
        return text.length() <= 80 ? text : text.substring(0, 77) + "...";
    }
}
