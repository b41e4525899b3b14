package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonLinesTest {
    @TempDir
    Path folder;

    private record Row(String id, int n) {
    }

    @Test
    void areReadAsTheyWereWritten() {
        Path file = folder.resolve("below/rows.jsonl");
        List<Row> rows = List.of(new Row("a\nb", 1), new Row("é", 2));
        JsonLines.write(file, rows);
        assertEquals("{\"id\":\"a\\nb\",\"n\":1}\n{\"id\":\"é\",\"n\":2}\n", DurableFile.read(file));
        assertEquals(rows, JsonLines.read(file, Row.class));
        try (JsonLines<Row> lines = JsonLines.open(file, Row.class)) {
            assertEquals(rows.getFirst(), lines.next());
            assertEquals(rows.getLast(), lines.next());
            assertNull(lines.next());
        }
    }

    @Test
    void refusesALineByItsNumber() throws IOException {
        for (String bad : List.of("{\"id\":", "", "null", "[]", "{\"id\":\"a\",\"m\":1}", "\u0000")) {
            Path file = Files.writeString(folder.resolve("rows.jsonl"),
                    "{\"id\":\"a\",\"n\":1}\n" + bad + "\n{\"id\":\"b\",\"n\":1}\n");
            String message = assertThrows(InputException.class, () -> JsonLines.read(file, Row.class)).getMessage();
            assertTrue(message.startsWith(file + " line 2: ") && !message.contains("\n"), message);
        }
        Path none = folder.resolve("none");
        assertEquals(none + ": cannot be read: no such file",
                assertThrows(InputException.class, () -> JsonLines.read(none, Row.class)).getMessage());
    }
}
