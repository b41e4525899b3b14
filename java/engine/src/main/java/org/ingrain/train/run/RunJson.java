package org.ingrain.train.run;

import org.ingrain.tensor.InputException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/** What a run writes and reads again: one line of JSON, a record's fields in their order, in snake_case. */
public final class RunJson {
    private static final JsonMapper MAPPER = JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY).build();

    private RunJson() {
    }

    static String line(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    public static JsonNode parse(String where, String text) {
        try {
            return MAPPER.readTree(text);
        } catch (JacksonException e) {
            throw malformed(where, e);
        }
    }

    static <T> T parse(String where, String text, Class<T> type) {
        try {
            return MAPPER.readValue(text, type);
        } catch (JacksonException e) {
            throw malformed(where, e);
        }
    }

    private static InputException malformed(String where, JacksonException e) {
        return new InputException(where + ": malformed JSON: " + e.getOriginalMessage().lines().findFirst().orElse(""), e);
    }
}
