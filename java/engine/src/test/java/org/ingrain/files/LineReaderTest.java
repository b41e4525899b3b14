package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
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
        assertEquals("file line 2: byte 2 of the file is not UTF-8, expected UTF-8",
                assertThrows(InputException.class, lines::text).getMessage());
        line(lines, "b", 4, 6, true);
    }

    @Test
    void linesHaveNeitherMarkNorLineEnd() throws IOException {
        byte[] text = "\ufeffa\r\n\ufeffb\n\rc".getBytes(StandardCharsets.UTF_8);
        assertEquals(List.of("a", "\ufeffb", "\rc"), LineReader.lines(new ByteArrayInputStream(text), "file"));
    }

    /** A damaged or malicious file may have gigabytes without a line end, and still be small if it is compressed. */
    @Test
    void aLineHasABound() throws IOException {
        LineReader endless = new LineReader(new InputStream() {
            @Override
            public int read() {
                return 'a';
            }
        }, "file");
        assertEquals("file line 1: is longer than 67108864 bytes, expected at most that many in a line",
                assertThrows(InputException.class, endless::next).getMessage());
    }

    @Test
    void aTextThatIsKeptHasABound() throws IOException {
        LineReader lines = new LineReader(new ByteArrayInputStream("a\nb\nc".getBytes(StandardCharsets.UTF_8)), "file",
                4);
        assertTrue(lines.next() && lines.next());
        assertEquals("file line 3: the file has more than 4 bytes (unpacked), expected at most half of Java's heap",
                assertThrows(InputException.class, lines::next).getMessage());
    }
}
