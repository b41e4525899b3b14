package org.ingrain.tokenizer;

import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ObjIntConsumer;
import org.ingrain.tensor.InputException;

/**
 * The pieces of a tokenizer.model. The pieces are read from the file's protocol buffer (sentencepiece_model.proto),
 * because DJL's binding exposes neither the number of pieces nor their kinds.
 *
 * @param bytes  content of the file
 * @param pieces pieces in the order of their ids
 * @param bosId  id of BOS in the model's trainer settings; negative if there is no BOS
 * @param eosId  id of EOS in the model's trainer settings; negative if there is no EOS
 */
record SentencePieceModel(byte[] bytes, List<Piece> pieces, int bosId, int eosId) {
    // Field 3 of the model is the normalizer. Field 3 of the normalizer is add_dummy_prefix. A protocol buffer parser
    // merges repeated messages, so these four bytes, appended to the file, set add_dummy_prefix to false.
    private static final byte[] NO_DUMMY_PREFIX = {3 << 3 | 2, 2, 3 << 3, 0};

    /** The kinds of pieces in sentencepiece_model.proto, in the order of their numbers from 1. */
    enum Kind { NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE }

    record Piece(String text, Kind kind) {
    }

    static SentencePieceModel read(Path file) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            List<Piece> pieces = new ArrayList<>();
            int[] ids = {1, 2};
            fields(ByteBuffer.wrap(bytes), (value, field) -> {
                if (field == 1) {
                    pieces.add(piece(value));
                } else if (field == 2) {
                    trainer(value, ids);
                }
            }, (value, field) -> { });
            if (pieces.isEmpty()) {
                throw new InputException(file + ": not a SentencePiece model: it has no pieces");
            }
            return new SentencePieceModel(bytes, pieces, ids[0], ids[1]);
        } catch (IOException unreadable) {
            throw new InputException(file + ": cannot be read: " + unreadable.getMessage(), unreadable);
        } catch (IllegalArgumentException | IndexOutOfBoundsException | BufferUnderflowException malformed) {
            throw new InputException(file + ": not a SentencePiece model", malformed);
        }
    }

    /** Returns the content of the file with add_dummy_prefix set to false, so that no space is prepended to a text. */
    byte[] withoutDummyPrefix() {
        byte[] changed = Arrays.copyOf(bytes, bytes.length + NO_DUMMY_PREFIX.length);
        System.arraycopy(NO_DUMMY_PREFIX, 0, changed, bytes.length, NO_DUMMY_PREFIX.length);
        return changed;
    }

    private static Piece piece(ByteBuffer message) {
        String[] text = {""};
        Kind[] kind = {Kind.NORMAL};
        fields(message, (value, field) -> {
            if (field == 1) {
                text[0] = StandardCharsets.UTF_8.decode(value).toString();
            }
        }, (value, field) -> {
            if (field == 3 && value >= 1 && value <= Kind.values().length) {
                kind[0] = Kind.values()[value.intValue() - 1];
            }
        });
        return new Piece(text[0], kind[0]);
    }

    private static void trainer(ByteBuffer message, int[] ids) {
        fields(message, (value, field) -> { }, (value, field) -> {
            if (field == 41 || field == 42) {
                ids[field - 41] = value.intValue();
            }
        });
    }

    /**
     * Reads a message. Calls a consumer for each value, with the number of its field. {@code bytes} receives nested
     * messages and byte strings; {@code integers} receives integers.
     */
    private static void fields(ByteBuffer message, ObjIntConsumer<ByteBuffer> bytes, ObjIntConsumer<Long> integers) {
        message.order(ByteOrder.LITTLE_ENDIAN);
        while (message.hasRemaining()) {
            long tag = varint(message);
            int field = (int) (tag >>> 3);
            switch ((int) tag & 7) {
                case 0 -> integers.accept(varint(message), field);
                case 1 -> message.getLong();
                case 2 -> {
                    int length = (int) Math.clamp(varint(message), -1, Integer.MAX_VALUE);   // slice refuses -1
                    bytes.accept(message.slice(message.position(), length), field);
                    message.position(message.position() + length);
                }
                case 5 -> message.getInt();
                default -> throw new IllegalArgumentException("wire type " + (tag & 7));
            }
        }
    }

    private static long varint(ByteBuffer message) {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            byte b = message.get();
            value |= (long) (b & 0x7F) << shift;
            if (b >= 0) {
                return value;
            }
        }
        throw new IllegalArgumentException("a varint has more than ten bytes");
    }
}
