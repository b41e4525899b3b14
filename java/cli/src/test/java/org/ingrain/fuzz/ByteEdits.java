package org.ingrain.fuzz;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Edits the bytes of a file without regard to its format. */
final class ByteEdits {
    /** Sizes and offsets at which a faulty reader would overflow. */
    private static final long[] NUMBERS = {0, 1, -1, 0x7f, 0xff, 0x7fff, 0xffff, Integer.MAX_VALUE, 1L << 31,
            0xffff_ffffL, 1L << 32, 1L << 53, Long.MAX_VALUE, Long.MIN_VALUE, 0x4000_0000_0000_0000L, 100_000_000};

    private ByteEdits() {
    }

    /** Applies one to four edits. */
    static byte[] edit(byte[] file, Cursor edits) {
        byte[] edited = file.clone();
        for (int left = 1 + edits.below(4); left > 0; left--) {
            edited = once(edited, edits);
        }
        return edited;
    }

    private static byte[] once(byte[] file, Cursor edits) {
        int at = edits.below(Math.clamp(file.length + 1, 1, 1 << 16));
        int end = Math.min(file.length, at + edits.below(32));
        return switch (edits.below(6)) {
            case 0 -> Arrays.copyOf(file, at);
            case 1 -> replaced(file, at, end, new byte[0]);
            case 2 -> replaced(file, at, at, Arrays.copyOfRange(file, at, end));
            case 3 -> replaced(file, at, Math.min(file.length, at + 1), new byte[] {(byte) edits.below(256)});
            case 4 -> replaced(file, at, at, new byte[] {(byte) edits.below(256)});
            default -> number(file, at, edits);
        };
    }

    private static byte[] number(byte[] file, int at, Cursor edits) {
        long value = NUMBERS[edits.below(NUMBERS.length)] + edits.below(3) - 1;
        int bytes = 1 << edits.below(4);
        byte[] number = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
        return replaced(file, at, Math.min(file.length, at + bytes), Arrays.copyOf(number, bytes));
    }

    private static byte[] replaced(byte[] file, int from, int to, byte[] with) {
        return ByteBuffer.allocate(file.length - (to - from) + with.length).put(file, 0, from).put(with)
                .put(file, to, file.length - to).array();
    }
}
