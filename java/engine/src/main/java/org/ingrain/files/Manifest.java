package org.ingrain.files;

import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The description of a run folder, stored as {@code run.json}. Two runs with equal {@link #settings()} write the same
 * files, byte for byte. A value that does not change a result, such as a thread count, a path or a date, is not part of
 * the settings.
 *
 * @param format   version of the folder's layout
 * @param notes    names of folders and files, for human readers; these are not compared
 * @param settings all settings and fingerprints that affect a result
 */
public record Manifest(int format, JsonNode notes, JsonNode settings) {
    /** The layout version that this code reads and writes. */
    public static final int FORMAT = 2;

    /** @param settings a record, or a map from name to value */
    public static Manifest of(Object notes, Object settings) {
        return new Manifest(FORMAT, Json.tree(notes), Json.tree(settings));
    }

    /**
     * Reads a manifest. The format version is checked before the other fields; any version but {@link #FORMAT} is
     * rejected.
     */
    public static Manifest read(Path file) {
        JsonNode node = Json.parse(DurableFile.read(file), file.toString());
        JsonNode format = node.path("format");
        if (!format.isInt() || format.intValue() != FORMAT) {
            throw new InputException(file + ": format is " + text(format) + ", expected " + FORMAT
                    + ": the run folder was made by another version; use another folder");
        }
        return Json.parse(Json.line(node), Manifest.class, file.toString());
    }

    /**
     * Checks that {@code made}, the manifest stored in the folder, has the same settings as this manifest.
     *
     * @throws InputException if the settings differ; the message names the first setting that differs
     */
    void requireSame(Path folder, Manifest made) {
        difference(settings, made.settings).ifPresent(different -> {
            throw new InputException(folder + ": this run folder was made with " + different
                    + "; use the same settings or another folder");
        });
    }

    /**
     * Describes the first difference between the settings, in the form {@code NAME X, now it is Y}. X is the value in
     * {@code made}, Y is the value in {@code now}.
     */
    public static Optional<String> difference(JsonNode now, JsonNode made) {
        // Settings are converted to JSON text and back before the comparison, because equal numbers can have different
        // Java types.
        return difference("", Json.parse(Json.line(now), "settings"), Json.parse(Json.line(made), "settings"));
    }

    private static Optional<String> difference(String path, JsonNode now, JsonNode made) {
        if (now instanceof ObjectNode a && made instanceof ObjectNode b) {
            Set<String> names = new LinkedHashSet<>(a.propertyNames());
            names.addAll(b.propertyNames());
            return names.stream()
                    .map(name -> difference(path.isEmpty() ? name : path + "." + name, a.path(name), b.path(name)))
                    .flatMap(Optional::stream)
                    .findFirst();
        }
        return now.equals(made) ? Optional.empty() : Optional.of(path + " " + text(made) + ", now it is " + text(now));
    }

    private static String text(JsonNode node) {
        String text = node.isMissingNode() ? "none" : Json.line(node);
        return text.length() <= 80 ? text : text.substring(0, 77) + "...";
    }
}
