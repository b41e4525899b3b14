package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonLogTest {
    @TempDir
    Path folder;

    private record Row(String id, int n) {
    }

    private static List<Row> resumed(JsonLog log) {
        List<Row> rows = new ArrayList<>();
        log.resume(Row.class, (row, place) -> {
            rows.add(row);
            assertEquals(row, log.read(place, Row.class));
        });
        return rows;
    }

    /**
     * The test cuts the file after each byte in turn. Complete lines are kept. After the missing rows have been
     * appended, the file has the same bytes as before the cut.
     */
    @Test
    void aTornLastLineIsCutOff() throws IOException {
        Path whole = folder.resolve("whole");
        List<Row> rows = List.of(new Row("é\n", 1), new Row("b", 2), new Row("c", 3));
        try (JsonLog log = JsonLog.open(whole)) {
            rows.forEach(log::append);
        }
        byte[] bytes = Files.readAllBytes(whole);
        for (int length = 0; length <= bytes.length; length++) {
            Path cut = Files.write(folder.resolve("cut"), Arrays.copyOf(bytes, length));
            try (JsonLog log = JsonLog.open(cut)) {
                List<Row> left = resumed(log);
                long lines = new String(bytes, 0, length, StandardCharsets.ISO_8859_1).chars().filter(c -> c == '\n')
                        .count();
                assertEquals(rows.subList(0, (int) lines), left, "cut at byte " + length);
                rows.subList(left.size(), rows.size()).forEach(log::append);
            }
            assertArrayEquals(bytes, Files.readAllBytes(cut), "cut at byte " + length);
        }
    }

    @Test
    void aLastLineThatLostItsMiddleIsCutOffAndAnotherIsRefused() throws IOException {
        Path file = Files.writeString(folder.resolve("log"), "{\"id\":\"a\",\"n\":1}\n{\"id\u0000\u0000\n");
        try (JsonLog log = JsonLog.open(file)) {
            assertEquals(List.of(new Row("a", 1)), resumed(log));
        }
        assertEquals("{\"id\":\"a\",\"n\":1}\n", DurableFile.read(file));
        String damaged = "{\"id\":\"a\",\"n\":1}\n{broken\n{\"id\":\"b\",\"n\":2}\n";
        Files.writeString(file, damaged);
        try (JsonLog log = JsonLog.open(file)) {
            String message = assertThrows(InputException.class, () -> resumed(log)).getMessage();
            assertTrue(message.startsWith(file + " line 2: malformed JSON"), message);
        }
        assertEquals(damaged, DurableFile.read(file), "a file that is refused must not be changed");
    }

    @Test
    void isCutBackToWhatACheckpointHad() {
        Path file = folder.resolve("metrics.jsonl");
        try (JsonLog log = JsonLog.open(file)) {
            log.append(new Row("a", 1));
            long checkpoint = log.force();
            log.append(new Row("b", 2));
            log.cut(checkpoint);
            log.append(new Row("c", 3));
            long end = log.force();
            String message = assertThrows(InputException.class, () -> log.cut(end + 1)).getMessage();
            assertEquals(file + ": has " + end + " bytes, expected at least " + (end + 1)
                    + ", as recorded in the latest checkpoint", message);
        }
        assertEquals(List.of(new Row("a", 1), new Row("c", 3)), JsonLines.read(file, Row.class));
    }

    @Test
    void aLinkIsRefused() throws IOException {
        Path mine = Files.writeString(folder.resolve("mine"), "mine");
        Path link = Files.createSymbolicLink(folder.resolve("link"), mine);
        assertThrows(InputException.class, () -> JsonLog.open(link));
        assertEquals("mine", DurableFile.read(mine));
    }
}
