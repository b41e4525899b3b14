package org.ingrain.files;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.ingrain.tensor.InputException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.core.util.DefaultIndenter;
import tools.jackson.core.util.DefaultPrettyPrinter;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** The one way to JSON and back: keys in the order of a record's fields, nulls left out, unknown keys refused, newlines always \n. */
public final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
            .disable(JsonWriteFeature.ESCAPE_FORWARD_SLASHES)
            .changeDefaultPropertyInclusion(any -> JsonInclude.Value.construct(JsonInclude.Include.NON_NULL, JsonInclude.Include.NON_NULL))
            .build();

    private static final ObjectWriter PRETTY = MAPPER.writer().with(new DefaultPrettyPrinter()
            .withObjectIndenter(new DefaultIndenter("  ", "\n"))
            .withArrayIndenter(new DefaultIndenter("  ", "\n")));

    private Json() {
    }

    /** {@code value} on one line, without a line end. */
    public static String line(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /** {@code value} indented for people, with a line end. */
    public static String pretty(Object value) {
        return PRETTY.writeValueAsString(value) + "\n";
    }

    public static JsonNode tree(Object value) {
        return MAPPER.valueToTree(value);
    }

    /**
     * Reads {@code text} as {@code type}.
     *
     * @param where what the text is, for the message: a file, or a file and a line
     * @throws InputException if the text is no JSON or does not fit the type
     */
    public static <T> T parse(String text, Class<T> type, String where) {
        try {
            return MAPPER.readValue(text, type);
        } catch (JacksonException e) {
            throw refusal(where, e);
        }
    }

    public static JsonNode parse(String text, String where) {
        try {
            JsonNode node = MAPPER.readTree(text);
            if (node.isMissingNode()) {
                throw new InputException(where + ": empty, expected JSON");
            }
            return node;
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
        String told = e.getOriginalMessage() == null ? e.getClass().getSimpleName() : e.getOriginalMessage().lines().findFirst().orElse("");
        return new InputException(where + ": malformed JSON: " + told, e);
    }
}
