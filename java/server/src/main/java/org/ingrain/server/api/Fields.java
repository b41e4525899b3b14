package org.ingrain.server.api;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * The fields of a request's JSON object. Every field that a call reads becomes a known field, and {@link #finish}
 * refuses the request if it has other fields. A field with the value null counts as absent. Every error is an
 * ApiException with status 400 that names the field.
 */
public final class Fields {
    private static final Pattern ID = Pattern.compile("\\d{1,9}");

    private final JsonFields json;
    private final String path;
    private final Set<String> known = new HashSet<>();

    private Fields(JsonFields json, String path) {
        this.json = json;
        this.path = path;
    }

    /** Parses the body of a request. */
    public static Fields parse(byte[] body) {
        return new Fields(refusing(null, () -> JsonFields.parse("request body", body)), "");
    }

    /** Whether the field is present and not null. */
    public boolean has(String name) {
        known.add(name);
        return json.has(name);
    }

    /** The unconverted value of a field, or null if the field is absent. */
    public JsonNode node(String name) {
        return has(name) ? json.node(name) : null;
    }

    public String text(String name, String otherwise) {
        return read(name, () -> json.text(name, otherwise));
    }

    /** Reads a text that must be present. */
    public String text(String name) {
        return read(name, () -> json.text(name));
    }

    public boolean flag(String name, boolean otherwise) {
        return read(name, () -> json.flag(name, otherwise));
    }

    public double number(String name, double otherwise) {
        return read(name, () -> json.number(name, otherwise));
    }

    /** Reads an integer between {@code least} and {@code most}. */
    public int integer(String name, int otherwise, int least, int most) {
        int value = read(name, () -> json.integer(name, otherwise));
        if (has(name) && (value < least || value > most)) {
            throw ApiException.invalid(path + name, path + name + ": " + value + ", expected " + least + (
                    most == Integer.MAX_VALUE ? " or more" : " to " + most));
        }
        return value;
    }

    /** Reads a 64-bit integer. */
    public long longInteger(String name, Supplier<Long> otherwise) {
        JsonNode node = node(name);
        if (node == null) {
            return otherwise.get();
        }
        if (!node.isIntegralNumber() || !node.canConvertToLong()) {
            throw unexpected(name, "a 64-bit integer");
        }
        return node.longValue();
    }

    /** Reads a list of integers. If the field is absent, the result is empty. */
    public List<Integer> integers(String name) {
        return has(name) ? read(name, () -> json.integers(name)) : List.of();
    }

    /** Reads an object that maps token ids to numbers. If the field is absent, the result is empty. */
    public Map<Integer, Float> numbersById(String name) {
        JsonNode node = node(name);
        Map<Integer, Float> values = new HashMap<>();
        if (node == null) {
            return values;
        }
        for (String key : node.propertyNames()) {
            if (!ID.matcher(key).matches() || node.get(key).floatValueOpt().isEmpty()) {
                throw unexpected(name, "an object with a number for each token id");
            }
            values.put(Integer.parseInt(key), node.get(key).floatValue());
        }
        if (!node.isObject()) {
            throw unexpected(name, "an object with a number for each token id");
        }
        return values;
    }

    /** Reads a text or a list of texts. If the field is absent, the result is empty. */
    public List<String> texts(String name) {
        JsonNode node = node(name);
        if (node == null) {
            return List.of();
        }
        return node.isString() ? List.of(node.stringValue()) : read(name, () -> json.texts(name));
    }

    /** Reads an object. The result is null if the field is absent. */
    public Fields object(String name) {
        return has(name) ? new Fields(read(name, () -> json.object(name)), path + name + ".") : null;
    }

    /** Reads a list of objects that must be present. */
    public List<Fields> objects(String name) {
        JsonNode list = read(name, () -> json.node(name));
        if (!list.isArray()) {
            throw unexpected(name, "a list of objects");
        }
        List<Fields> objects = new ArrayList<>();
        for (JsonNode element : list.values()) {
            objects.add(new Fields(read(name, () -> json.within(name, element)),
                    path + name + "[" + objects.size() + "]."));
        }
        return objects;
    }

    /** Accepts these fields with any value, because they have no effect on the answer. */
    public void harmless(Collection<String> names) {
        known.addAll(names);
    }

    /**
     * Checks a field that is not supported. It is accepted only if its value is neutral, which means that the value
     * would have no effect on the answer.
     *
     * @param neutral  returns whether a value is neutral
     * @param expected the neutral values, for the error message
     */
    public void unsupported(String name, Predicate<JsonNode> neutral, String expected) {
        JsonNode node = node(name);
        if (node != null && !neutral.test(node)) {
            throw ApiException.invalid(path + name, path + name + ": " + shown(node) + " is not supported, expected "
                    + expected);
        }
    }

    /** Refuses the request if it has fields that no call has read. Fields with the value null are ignored. */
    public void finish() {
        for (String name : json.names()) {
            if (!known.contains(name) && json.has(name)) {
                throw ApiException.invalid(path + name, path + name + ": unknown field");
            }
        }
    }

    /** The error for a field whose value is not of the expected kind. */
    public ApiException unexpected(String name, String expected) {
        JsonNode node = node(name);
        return ApiException.invalid(path + name, path + name + ": " + (node == null ? "missing" : shown(node))
                + ", expected " + expected);
    }

    private <T> T read(String name, Supplier<T> reader) {
        known.add(name);
        return refusing(path + name, reader);
    }

    private static <T> T refusing(String param, Supplier<T> reader) {
        try {
            return reader.get();
        } catch (InputException refused) {
            throw ApiException.invalid(param, refused.getMessage());
        }
    }

    private static String shown(JsonNode node) {
        String text = node.toString();
        return text.length() > 60 ? text.substring(0, 60) + "..." : text;
    }
}
