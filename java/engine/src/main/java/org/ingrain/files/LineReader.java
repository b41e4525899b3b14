package org.ingrain.files;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.ingrain.tensor.InputException;

/**
 * Reads the lines of a UTF-8 text. Each line is decoded separately, so that an error about invalid UTF-8 names the
 * line.
 */
public final class LineReader {
    private static final String BYTE_ORDER_MARK = "\ufeff";

    private final InputStream in;
    private final String where;
    private int number;
    private long offset;
    private long next;
    private boolean ended;
    private byte[] bytes;

    /**
     * @param in    read from its current position; the caller closes it
     * @param where name of the file, for error messages
     */
    public LineReader(InputStream in, String where) {
        this.in = in instanceof BufferedInputStream ? in : new BufferedInputStream(in, 1 << 16);
        this.where = where;
    }

    /** Advances to the next line. Returns false at the end of the text. */
    public boolean next() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int b = in.read();
        for (; b >= 0 && b != '\n'; b = in.read()) {
            line.write(b);
        }
        ended = b >= 0;
        bytes = line.toByteArray();
        offset = next;
        next += bytes.length + (ended ? 1 : 0);
        number++;
        return ended || bytes.length > 0;
    }

    /** The file name and the line number, from 1. */
    public String where() {
        return where + " line " + number;
    }

    /** The line without its line end. A byte order mark is removed from the first line. */
    public String text() {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            return number == 1 && text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text;
        } catch (CharacterCodingException e) {
            throw new InputException(where() + ": holds bytes that are not UTF-8, expected JSON in UTF-8", e);
        }
    }

    /** The offset in bytes of the line's first byte. */
    long offset() {
        return offset;
    }

    /** The offset in bytes of the next line's first byte. */
    long end() {
        return next;
    }

    /** Whether the line has a line end. An incomplete last line has none. */
    boolean ended() {
        return ended;
    }
}
