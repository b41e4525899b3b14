package org.ingrain.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * Decodes byte-level BPE (GPT-2, Llama 3), in which each character of a piece represents one byte. If a piece has a
 * character that represents no byte, the piece is decoded to its own UTF-8 bytes, as in the tokenizers library.
 */
final class ByteLevelDetokenizer implements Detokenizer {
    private final Vocabulary vocabulary;
    private final byte[][] bytes;

    ByteLevelDetokenizer(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        Map<Character, Byte> alphabet = alphabet();
        bytes = new byte[vocabulary.size()][];
        for (int id = 0; id < bytes.length; id++) {
            Vocabulary.Piece piece = vocabulary.piece(id);
            bytes[id] = piece == null ? new byte[0] : bytes(piece.text(), alphabet);
        }
    }

    // The mapping is that of GPT-2's bytes_to_unicode. Printable Latin-1 characters map to themselves; the other bytes
    // map to U+0100 and the following characters, in ascending order.
    private static Map<Character, Byte> alphabet() {
        Map<Character, Byte> alphabet = new HashMap<>();
        int next = 0x100;
        for (int b = 0; b < 0x100; b++) {
            boolean itself = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            alphabet.put((char) (itself ? b : next++), (byte) b);
        }
        return alphabet;
    }

    private static byte[] bytes(String text, Map<Character, Byte> alphabet) {
        byte[] bytes = new byte[text.length()];
        for (int i = 0; i < bytes.length; i++) {
            Byte b = alphabet.get(text.charAt(i));
            if (b == null) {
                return text.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = b;
        }
        return bytes;
    }

    @Override
    public byte[] bytes(int id) {
        return id >= 0 && id < bytes.length ? bytes[id].clone() : new byte[0];
    }

    @Override
    public StreamingDecoder start(boolean skipSpecial) {
        Utf8Decoder utf8 = new Utf8Decoder();
        return new StreamingDecoder() {
            @Override
            public String append(int id) {
                Vocabulary.Piece piece = vocabulary.piece(id);
                StringBuilder text = new StringBuilder();
                if (piece != null && !(skipSpecial && piece.special())) {
                    utf8.append(bytes[id], text);
                }
                return text.toString();
            }

            @Override
            public String flush() {
                StringBuilder text = new StringBuilder();
                utf8.flush(text);
                return text.toString();
            }
        };
    }
}
