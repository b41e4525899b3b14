package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;

class LineReaderTest {
    private static LineReader reader(byte[] bytes) {
        return new LineReader(new ByteArrayInputStream(bytes), "file");
    }

    private static void line(LineReader lines, String text, long offset, long end, boolean ended) throws IOException {
        assertTrue(lines.next());
        assertEquals(text, lines.text());
        assertEquals(offset, lines.offset());
        assertEquals(end, lines.end());
        assertEquals(ended, lines.ended());
    }

    @Test
    void saysWhereEachLineLies() throws IOException {
        LineReader lines = reader("\ufeffé\n\nlast".getBytes(StandardCharsets.UTF_8));
        line(lines, "é", 0, 6, true);
        line(lines, "", 6, 7, true);
        line(lines, "last", 7, 11, false);
        assertEquals("file line 3", lines.where());
        assertFalse(lines.next());
        assertFalse(reader(new byte[0]).next());
    }

    @Test
    void refusesBytesThatAreNotUtf8ByLine() throws IOException {
        LineReader lines = reader(new byte[] {'a', '\n', (byte) 0xe9, '\n', 'b', '\n'});
        assertTrue(lines.next());
        assertTrue(lines.next());
        assertEquals("file line 2: holds bytes that are not UTF-8, expected JSON in UTF-8",
                assertThrows(InputException.class, lines::text).getMessage());
        line(lines, "b", 4, 6, true);
    }
}
