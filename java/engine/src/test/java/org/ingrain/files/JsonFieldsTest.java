package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;

class JsonFieldsTest {
    private static JsonFields fields(String json) {
        return JsonFields.parse("file", json.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }

    private static String refusal(String json, Consumer<JsonFields> read) {
        return assertThrows(InputException.class, () -> read.accept(fields(json))).getMessage();
    }

    @Test
    void readsByType() {
        JsonFields fields = fields("{'t':'x','f':true,'i':7,'n':1.5,'l':[0,9],'one':3,'o':{'t':'in'},'none':null}");
        assertEquals("x", fields.text("t"));
        assertTrue(fields.flag("f", false));
        assertEquals(7, fields.integer("i"));
        assertEquals(1.5, fields.number("n"));
        assertArrayEquals(new long[] {0, 9}, fields.longs("l"));
        assertEquals(List.of(3), fields.integers("one"));
        assertEquals("in", fields.object("o").text("t"));
        assertFalse(fields.has("none"));
        assertEquals("y", fields.text("none", "y"));
        assertEquals(List.of("t", "f", "i", "n", "l", "one", "o", "none"), List.copyOf(fields.names()));
        assertFalse(JsonFields.empty("file").has("t"));
    }

    @Test
    void namesFileFieldFoundAndExpected() {
        assertEquals("file: t is missing", refusal("{}", fields -> fields.text("t")));
        assertEquals("file: t is 7, expected a string", refusal("{'t':7}", fields -> fields.text("t")));
        assertEquals("file: i is 1.5, expected an integer", refusal("{'i':1.5}", fields -> fields.integer("i")));
        String digits = "9".repeat(400);
        assertTrue(refusal("{'n':" + digits + "}", fields -> fields.number("n")).endsWith("expected a number"));
        assertEquals("file: l is [-1], expected a list of integers, none negative",
                refusal("{'l':[-1]}", fields -> fields.longs("l")));
        assertEquals("file: o: t is missing", refusal("{'o':{}}", fields -> fields.object("o").text("t")));
        assertTrue(refusal("{'t':['" + "x".repeat(500) + "']}", fields -> fields.text("t")).length() < 120);
    }

    @Test
    void whatIsNoObjectIsRefused() {
        assertEquals("file: expected a JSON object", refusal("[]", fields -> { }));
        assertTrue(refusal("{'a':1,'a':2}", fields -> { }).contains("\"a\""), "a duplicate key");
        assertTrue(refusal("{'a':", fields -> { }).startsWith("file: malformed JSON at byte 5: "));
        assertTrue(refusal("{} x", fields -> { }).startsWith("file: malformed JSON"));
        Path none = Path.of("none.json");
        assertEquals("none.json: cannot be read: no such file",
                assertThrows(InputException.class, () -> JsonFields.read(none)).getMessage());
    }

    /** For inputs that exceed Jackson's limits, Jackson throws exceptions without a location. */
    @Test
    void nestingAndLongNumbersAreOneLine() {
        for (String json : List.of("{'a':" + "[".repeat(2000), "{'a':" + "1".repeat(1500) + "}",
                "{'a':" + "[".repeat(700) + "]".repeat(700) + "}")) {
            String message = refusal(json, fields -> fields.integer("a"));
            assertTrue(message.startsWith("file: ") && !message.contains("\n"), message);
        }
    }
}
