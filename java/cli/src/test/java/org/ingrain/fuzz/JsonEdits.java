package org.ingrain.fuzz;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.node.StringNode;

/** Edits the nodes of a JSON text: inserts values of other types and extreme numbers, removes and adds fields. */
final class JsonEdits {
    /** JSON texts of the values that edits insert. */
    private static final List<String> VALUES = List.of("null", "true", "false", "0", "1", "-1", "7", "2147483647",
            "2147483648", "-2147483648", "4294967297", "9007199254740993", "9223372036854775807", "9223372036854775808",
            "1" + "0".repeat(60), "1e308", "1e999", "1e-300", "-0.0", "0.5", "1E+2147483647", "9".repeat(400),
            "9".repeat(1200),
            "\"\"", "\" \"", "\"a\"", "\"0\"", "\"-1\"", "\"..\"", "\"a/b\"", "\"0.0\"", "\"0..0\"", "\"\\u0000\"",
            "\"\\ud800\"", "\"\\ud83d\\ude42\"", "\"\u0130\"", "\"{question}\"", "\"{\"", "\"%s%n\"", "\"$1\"",
            "\"(a+)+$\"", "\"\\\\\"", "\"<|end|>\"", "\"" + "x".repeat(3000) + "\"", "[]", "{}", "[null]", "[[]]",
            "[1, 2, 3]", "[\"a\"]", "[{}]", "{\"a\": 1}", "[".repeat(600) + "]".repeat(600), "NaN", "");
    private static final List<String> NAMES = List.of("", "a", "0", "type", "format", "__metadata__", "\u0000");

    private JsonEdits() {
    }

    /** A position in a tree: a field of an object, or an element of an array. */
    private record Place(JsonNode parent, String field, int index) {
        JsonNode get() {
            return parent instanceof ObjectNode object ? object.get(field) : parent.get(index);
        }

        void set(JsonNode value) {
            if (parent instanceof ObjectNode object) {
                object.set(field, value);
            } else {
                ((ArrayNode) parent).set(index, value);
            }
        }

        void remove() {
            if (parent instanceof ObjectNode object) {
                object.remove(field);
            } else {
                ((ArrayNode) parent).remove(index);
            }
        }
    }

    /** Applies one to three edits. A text that is not JSON is returned unchanged. */
    static String edit(String text, Cursor edits) {
        JsonNode root;
        try {
            root = Json.parse(text, "seed");
        } catch (InputException e) {
            return text;
        }
        ArrayNode holder = (ArrayNode) Json.parse("[]", "holder");
        holder.add(root);
        for (int left = 1 + edits.below(3); left > 0 && !holder.isEmpty(); left--) {
            once(holder, edits);
        }
        String edited = holder.isEmpty() ? "" : Json.line(holder.get(0));
        for (int value = 0; value < VALUES.size(); value++) {
            edited = edited.replace("\"" + mark(value) + "\"", VALUES.get(value));
        }
        return edited;
    }

    private static String mark(int value) {
        return "@" + value + "@";
    }

    private static void once(ArrayNode holder, Cursor edits) {
        Place place = find(holder, edits);
        switch (edits.below(8)) {
            case 0 -> place.remove();
            case 1 -> place.set(find(holder, edits).get().deepCopy());
            case 2 -> add(place.get(), find(holder, edits).get().deepCopy(), edits);
            default -> place.set(StringNode.valueOf(mark(edits.below(VALUES.size()))));
        }
    }

    private static void add(JsonNode to, JsonNode value, Cursor edits) {
        if (to instanceof ObjectNode object) {
            object.set(NAMES.get(edits.below(NAMES.size())), value);
        } else if (to instanceof ArrayNode array) {
            array.insert(edits.below(array.size() + 1), value);
        }
    }

    /** Descends from the root. At each level, the descent ends with probability 1/4. */
    private static Place find(ArrayNode holder, Cursor edits) {
        Place place = new Place(holder, null, 0);
        while (place.get() != null && place.get().isContainer() && !place.get().isEmpty() && edits.below(4) > 0) {
            JsonNode node = place.get();
            int child = edits.below(Math.min(node.size(), 1 << 16));
            place = node.isObject() ? new Place(node, new ArrayList<>(node.propertyNames()).get(child), 0)
                    : new Place(node, null, child);
        }
        return place;
    }
}
