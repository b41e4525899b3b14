package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.annotation.JsonNaming;

class JsonTest {
    private record Row(String zText, int anId, Double none, List<String> parts) {
        Row {
            if (anId < 0) {
                throw new InputException("anId: " + anId + ", expected 0 or more");
            }
        }
    }

    @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
    private record Step(int metricsBytes, Double bestLoss) {
    }

    private static String refusal(String text) {
        return assertThrows(InputException.class, () -> Json.parse(text, Row.class, "file line 3")).getMessage();
    }

    @Test
    void keysHaveTheOrderOfTheFields() {
        Row row = new Row("a/b\n\u2028é", 7, null, List.of());
        assertEquals("{\"zText\":\"a/b\\n\u2028é\",\"anId\":7,\"parts\":[]}", Json.line(row));
        assertEquals(row, Json.parse(Json.line(row), Row.class, "here"));
        assertEquals("{\n  \"zText\" : \"\",\n  \"anId\" : 0,\n  \"parts\" : [\n    \"x\",\n    \"y\"\n  ]\n}\n",
                Json.pretty(new Row("", 0, null, List.of("x", "y"))));
    }

    @Test
    void aRecordMayNameItsKeysInSnakeCase() {
        assertEquals("{\"metrics_bytes\":3,\"best_loss\":0.1}", Json.line(new Step(3, 0.1)));
        assertEquals(new Step(3, null), Json.parse("{\"metrics_bytes\":3}", Step.class, "here"));
    }

    /** Tests the format of adapter_config.json and config.json, byte for byte. */
    @Test
    void aConfigurationKeepsNullsAndListsOnALine() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("r", 8);
        fields.put("base", "a/b");
        fields.put("none", null);
        fields.put("list", List.of("q", "v"));
        fields.put("map", Map.of());
        assertEquals(
                "{\n  \"r\" : 8,\n  \"base\" : \"a/b\",\n  \"none\" : null,\n  \"list\" : [ \"q\", \"v\" ],\n  "
                + "\"map\" : { }\n}\n", Json.config(fields));
    }

    @Test
    void whatDoesNotFitIsRefusedInOneLine() {
        for (String text : List.of("", " ", "{", "null", "[]", "7", "{\"zText\":\"\",\"anId\":1} x",
                "{\"anId\":1,\"other\":2}", "{\"anId\":\"x\"}", "[".repeat(600), "1".repeat(1200),
                "{\"anId\":" + "1".repeat(1200) + "}")) {
            String message = refusal(text);
            assertTrue(message.startsWith("file line 3: ") && !message.contains("\n"), message);
        }
        assertEquals("file line 3: anId: -1, expected 0 or more", refusal("{\"anId\":-1}"));
        assertThrows(InputException.class, () -> Json.parse("", "here"));
        assertTrue(Json.parse("null", JsonNode.class, "here").isNull());
    }
}
