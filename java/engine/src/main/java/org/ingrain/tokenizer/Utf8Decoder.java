package org.ingrain.tokenizer;

/**
 * Decodes UTF-8 byte by byte. The bytes of an incomplete character become one U+FFFD. Every other invalid byte becomes
 * one U+FFFD. This is the rule of the Encoding Standard and of the tokenizers library. The JDK's decoder is not used,
 * because it replaces encoded surrogates differently.
 */
final class Utf8Decoder {
    private static final char REPLACEMENT = '\uFFFD';

    private int codePoint;
    private int needed;
    private int lowest = 0x80;
    private int highest = 0xBF;

    void append(byte[] bytes, StringBuilder text) {
        for (byte b : bytes) {
            append(b & 0xFF, text);
        }
    }

    void flush(StringBuilder text) {
        if (needed > 0) {
            needed = 0;
            text.append(REPLACEMENT);
        }
        lowest = 0x80;
        highest = 0xBF;
    }

    private void append(int b, StringBuilder text) {
        if (needed > 0 && (b < lowest || b > highest)) {
            flush(text);
        }
        if (needed > 0) {
            lowest = 0x80;
            highest = 0xBF;
            codePoint = codePoint << 6 | b & 0x3F;
            if (--needed == 0) {
                text.appendCodePoint(codePoint);
            }
        } else {
            begin(b, text);
        }
    }

    private void begin(int b, StringBuilder text) {
        if (b < 0x80) {
            text.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            needed = 1;
            codePoint = b & 0x1F;
        } else if (b >= 0xE0 && b <= 0xEF) {
            needed = 2;
            codePoint = b & 0x0F;
            lowest = b == 0xE0 ? 0xA0 : 0x80;
            highest = b == 0xED ? 0x9F : 0xBF;
        } else if (b >= 0xF0 && b <= 0xF4) {
            needed = 3;
            codePoint = b & 0x07;
            lowest = b == 0xF0 ? 0x90 : 0x80;
            highest = b == 0xF4 ? 0x8F : 0xBF;
        } else {
            text.append(REPLACEMENT);
        }
    }
}
