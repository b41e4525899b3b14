package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * Reads the fields of a JSON object. Every error is an InputException that names the file and the field. A field with
 * the value null counts as absent.
 */
public final class JsonFields {
    private final String where;
    private final JsonNode object;

    public JsonFields(String where, JsonNode object) {
        this.where = where;
        this.object = object;
    }

    /** Reads a file that holds one JSON object. */
    public static JsonFields read(Path file) {
        InputFile.requireRegular(file);
        try {
            return parse(file.toString(), Files.readAllBytes(file));
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    /** @param where name of the source of the bytes; every error message starts with it */
    public static JsonFields parse(String where, byte[] json) {
        JsonNode node = Json.parseStrictly(json, where);
        if (!node.isObject()) {
            throw new InputException(where + ": expected a JSON object");
        }
        return new JsonFields(where, node);
    }

    /** Returns an object without fields, which represents an optional file that does not exist. */
    public static JsonFields empty(String where) {
        return new JsonFields(where, JsonNodeFactory.instance.objectNode());
    }

    /** The names of the fields, in the order of the file. */
    public Collection<String> names() {
        return object.propertyNames();
    }

    public boolean has(String field) {
        JsonNode node = object.get(field);
        return node != null && !node.isNull();
    }

    /** The JSON value of a field, without conversion. */
    public JsonNode node(String field) {
        if (!has(field)) {
            throw new InputException(where + ": " + field + " is missing");
        }
        return object.get(field);
    }

    public JsonFields object(String field) {
        JsonNode node = node(field);
        require(node.isObject(), field, node, "an object");
        return new JsonFields(where + ": " + field, node);
    }

    /** Returns a reader for {@code element}, which must be an object in the list that this field contains. */
    public JsonFields within(String field, JsonNode element) {
        require(element.isObject(), field, element, "a list of objects");
        return new JsonFields(where + ": " + field, element);
    }

    public String text(String field) {
        JsonNode node = node(field);
        require(node.isString(), field, node, "a string");
        return node.stringValue();
    }

    public String text(String field, String otherwise) {
        return has(field) ? text(field) : otherwise;
    }

    public boolean flag(String field, boolean otherwise) {
        if (!has(field)) {
            return otherwise;
        }
        JsonNode node = node(field);
        require(node.isBoolean(), field, node, "true or false");
        return node.booleanValue();
    }

    public int integer(String field) {
        JsonNode node = node(field);
        require(node.isIntegralNumber() && node.canConvertToInt(), field, node, "an integer");
        return node.intValue();
    }

    public int integer(String field, int otherwise) {
        return has(field) ? integer(field) : otherwise;
    }

    public double number(String field) {
        JsonNode node = node(field);
        // An integer of hundreds of digits has no double value.
        require(node.isNumber() && node.doubleValueOpt().isPresent(), field, node, "a number");
        return node.doubleValue();
    }

    public double number(String field, double otherwise) {
        return has(field) ? number(field) : otherwise;
    }

    /** Reads a list of non-negative integers. */
    public long[] longs(String field) {
        JsonNode node = node(field);
        require(node.isArray(), field, node, "a list of integers");
        long[] values = new long[node.size()];
        for (int i = 0; i < values.length; i++) {
            JsonNode value = node.get(i);
            require(value.isIntegralNumber() && value.canConvertToLong() && value.longValue() >= 0, field, node,
                    "a list of integers, none negative");
            values[i] = value.longValue();
        }
        return values;
    }

    /** Reads a list of integers. A single integer is read as a list with one element. */
    public List<Integer> integers(String field) {
        JsonNode node = node(field);
        List<Integer> values = new ArrayList<>();
        for (JsonNode value : node.isArray() ? node.values() : List.of(node)) {
            require(value.isIntegralNumber() && value.canConvertToInt(), field, node,
                    "an integer or a list of integers");
            values.add(value.intValue());
        }
        return values;
    }

    /** Reads a list of strings. */
    public List<String> texts(String field) {
        JsonNode node = node(field);
        require(node.isArray(), field, node, "a list of strings");
        List<String> values = new ArrayList<>();
        for (JsonNode value : node.values()) {
            require(value.isString(), field, node, "a list of strings");
            values.add(value.stringValue());
        }
        return values;
    }

    /** The name of this object's source; error messages start with it. */
    public String where() {
        return where;
    }

    private void require(boolean holds, String field, JsonNode found, String expected) {
        if (!holds) {
            String text = found.toString();
            throw new InputException(where + ": " + field + " is "
                    + (text.length() > 60 ? text.substring(0, 60) + "..." : text)
                    + ", expected " + expected);
        }
    }
}
