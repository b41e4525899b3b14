package org.ingrain.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Decodes SentencePiece pieces (Llama 2). U+2581 represents a space, and a piece such as {@code <0x0A>} represents a
 * byte. If {@code stripsFirstSpace} is true, one leading space of the text is removed. Consecutive byte pieces are
 * decoded together as UTF-8. If these bytes are not valid UTF-8, each byte becomes U+FFFD, as in the tokenizers
 * library. The text of consecutive byte pieces is therefore known only after the last of these pieces.
 */
final class SentencePieceDetokenizer implements Detokenizer {
    private final Vocabulary vocabulary;
    private final boolean stripsFirstSpace;

    SentencePieceDetokenizer(Vocabulary vocabulary, boolean stripsFirstSpace) {
        this.vocabulary = vocabulary;
        this.stripsFirstSpace = stripsFirstSpace;
    }

    @Override
    public byte[] bytes(int id) {
        Vocabulary.Piece piece = vocabulary.piece(id);
        if (piece == null) {
            return new byte[0];
        }
        int value = byteValue(piece.text());
        return value >= 0 ? new byte[] {(byte) value} : text(piece).getBytes(StandardCharsets.UTF_8);
    }

    private static String text(Vocabulary.Piece piece) {
        return piece.text().replace('\u2581', ' ');
    }

    @Override
    public StreamingDecoder start(boolean skipSpecial) {
        return new Decoder(skipSpecial);
    }

    private final class Decoder implements StreamingDecoder {
        private final boolean skipSpecial;
        private final ByteArrayOutputStream run = new ByteArrayOutputStream();
        private boolean started = !stripsFirstSpace;

        private Decoder(boolean skipSpecial) {
            this.skipSpecial = skipSpecial;
        }

        @Override
        public String append(int id) {
            Vocabulary.Piece piece = vocabulary.piece(id);
            if (piece == null || skipSpecial && piece.special()) {
                return "";
            }
            int value = byteValue(piece.text());
            if (value >= 0) {
                run.write(value);
                return "";
            }
            return begin(endRun() + text(piece));
        }

        @Override
        public String flush() {
            return begin(endRun());
        }

        private String begin(String text) {
            if (started || text.isEmpty()) {
                return text;
            }
            started = true;
            return text.startsWith(" ") ? text.substring(1) : text;
        }

        private String endRun() {
            byte[] bytes = run.toByteArray();
            run.reset();
            try {
                return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            } catch (CharacterCodingException broken) {
                return "\uFFFD".repeat(bytes.length);
            }
        }
    }

    /** The byte that a piece such as {@code <0x0A>} represents; -1 for any other piece. */
    private static int byteValue(String text) {
        if (text.length() != 6 || !text.startsWith("<0x") || text.charAt(5) != '>') {
            return -1;
        }
        int high = Character.digit(text.charAt(3), 16);
        int low = Character.digit(text.charAt(4), 16);
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }
}
