package org.ingrain.files;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Reads the lines of a UTF-8 text. Each line is decoded separately, so that an error about invalid UTF-8 names the
 * line. A line of more than {@link #MOST_BYTES} bytes is rejected.
 */
public final class LineReader {
    /** Maximum length of a line in bytes. */
    public static final int MOST_BYTES = 64 << 20;
    private static final String BYTE_ORDER_MARK = "\ufeff";

    private final InputStream in;
    private final String where;
    private final long most;
    private int number;
    private long offset;
    private long next;
    private boolean ended;
    private byte[] bytes;

    /**
     * @param in    stream to read from its current position; the caller closes the stream
     * @param where name of the file, for error messages
     */
    public LineReader(InputStream in, String where) {
        this(in, where, Long.MAX_VALUE);
    }

    LineReader(InputStream in, String where, long most) {
        this.in = in instanceof BufferedInputStream ? in : new BufferedInputStream(in, 1 << 16);
        this.where = where;
        this.most = most;
    }

    /**
     * Creates a reader for a caller that keeps all lines in memory. The reader rejects a text that is larger than half
     * of Java's heap.
     */
    public static LineReader kept(InputStream in, String where) {
        return new LineReader(in, where, Runtime.getRuntime().maxMemory() / 2);
    }

    /** Advances to the next line. Returns false at the end of the text. */
    public boolean next() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        number++;
        int b = in.read();
        for (; b >= 0 && b != '\n'; b = in.read()) {
            line.write(b);
            if (line.size() > MOST_BYTES) {
                throw new InputException(where() + ": is longer than " + MOST_BYTES
                        + " bytes, expected at most that many in a line");
            }
        }
        ended = b >= 0;
        bytes = line.toByteArray();
        offset = next;
        next += bytes.length + (ended ? 1 : 0);
        if (next > most) {
            throw new InputException(where() + ": the file has more than " + most
                    + " bytes (unpacked), expected at most half of Java's heap");
        }
        return ended || bytes.length > 0;
    }

    /** The file name and the number of the current line, from 1. */
    public String where() {
        return where + " line " + number;
    }

    /** The current line without the final {@code \n}. A byte order mark is removed from the first line. */
    public String text() {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(in).toString();
            return number == 1 ? withoutMark(text) : text;
        } catch (CharacterCodingException e) {
            throw new InputException(where() + ": byte " + (offset + in.position())
                    + " of the file is not UTF-8, expected UTF-8", e);
        }
    }

    /** The current line without its line end, {@code \n} or {@code \r\n}. See {@link #text}. */
    public String line() {
        String text = text();
        return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
    }

    /** Reads all lines of a text, each in the form that {@link #line} returns. */
    public static List<String> lines(InputStream in, String where) throws IOException {
        LineReader lines = kept(in, where);
        List<String> all = new ArrayList<>();
        while (lines.next()) {
            all.add(lines.line());
        }
        return all;
    }

    /** Removes the byte order mark from a text, if it has one. */
    static String withoutMark(String text) {
        return text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text;
    }

    /** The offset in bytes of the current line's first byte. */
    long offset() {
        return offset;
    }

    /** The offset in bytes of the next line's first byte. */
    long end() {
        return next;
    }

    /** Whether the current line has a line end. An incomplete last line has no line end. */
    boolean ended() {
        return ended;
    }
}
