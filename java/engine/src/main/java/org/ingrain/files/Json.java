package org.ingrain.files;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Optional;
import org.ingrain.tensor.InputException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.core.util.DefaultIndenter;
import tools.jackson.core.util.DefaultPrettyPrinter;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * Converts objects to and from JSON for the whole project. The keys of a record are its field names, in the order of
 * the fields, unless an annotation of the record selects other names. Nulls are omitted, unknown keys are rejected, and
 * lines end with {@code \n}.
 */
public final class Json {
    private static final DefaultIndenter INDENT = new DefaultIndenter("  ", "\n");

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
            .disable(JsonWriteFeature.ESCAPE_FORWARD_SLASHES)
            .changeDefaultPropertyInclusion(any -> JsonInclude.Value.construct(
                    JsonInclude.Include.NON_NULL, JsonInclude.Include.NON_NULL))
            .build();

    private static final ObjectWriter PRETTY =
            MAPPER.writer().with(new DefaultPrettyPrinter().withObjectIndenter(INDENT).withArrayIndenter(INDENT));

    /** The format of {@link #config}: indented objects, each list on one line. Nulls are kept. */
    private static final ObjectWriter CONFIG = JsonMapper.shared().writer()
            .with(new DefaultPrettyPrinter().withObjectIndenter(INDENT));

    private static final ObjectReader STRICT = MAPPER.reader().with(StreamReadFeature.STRICT_DUPLICATE_DETECTION);

    private static final ObjectReader PREFIX = MAPPER.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private Json() {
    }

    /** Returns {@code value} as JSON on one line. No line end is appended. */
    public static String line(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /** Returns {@code value} as indented JSON, with a line end. */
    public static String pretty(Object value) {
        return PRETTY.writeValueAsString(value) + "\n";
    }

    /** Returns {@code value} in the format of a configuration file of Hugging Face or PEFT, with a line end. */
    public static String config(Object value) {
        return CONFIG.writeValueAsString(value) + "\n";
    }

    public static JsonNode tree(Object value) {
        return MAPPER.valueToTree(value);
    }

    /**
     * Reads {@code text} as {@code type}.
     *
     * @param where source of the text, for error messages: a file, or a file and a line
     * @throws InputException if the text is not JSON or does not match the type
     */
    public static <T> T parse(String text, Class<T> type, String where) {
        try {
            T value = MAPPER.readValue(text, type);
            if (value == null) {
                throw new InputException(where + ": is null, expected a value");
            }
            return value;
        } catch (JacksonException e) {
            throw refusal(where, e);
        }
    }

    /** Parses a JSON value of any type. Rejects an empty text. */
    public static JsonNode parse(String text, String where) {
        return parse(text, JsonNode.class, where);
    }

    /**
     * Parses the JSON value at the start of a text; ignores the text after this value. Returns empty if the text does
     * not start with a JSON value.
     */
    public static Optional<JsonNode> prefix(String text) {
        try {
            return Optional.of(PREFIX.readTree(text));
        } catch (JacksonException e) {
            return Optional.empty();
        }
    }

    /** Parses a JSON value of any type. Rejects an object with a duplicate key. */
    static JsonNode parseStrictly(byte[] json, String where) {
        try {
            return STRICT.readTree(json);
        } catch (JacksonException e) {
            throw refusal(where, e);
        }
    }

    private static InputException refusal(String where, JacksonException e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof InputException refused) {
                return new InputException(where + ": " + refused.getMessage(), e);
            }
        }
        String reason = e.getOriginalMessage() == null
                ? e.getClass().getSimpleName() : e.getOriginalMessage().lines().findFirst().orElse("");
        TokenStreamLocation location = e.getLocation();
        long offset = location == null ? -1 : location.getByteOffset();
        return new InputException(where + ": malformed JSON" + (offset < 0 ? "" : " at byte " + offset) + ": " + reason,
                e);
    }
}
