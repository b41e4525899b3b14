package org.ingrain.fuzz;

/** Interprets the bytes of a fuzzer's input, in order, as decisions. After the last byte every decision is 0. */
final class Cursor {
    private final byte[] bytes;
    private int at;

    Cursor(byte[] bytes, int from) {
        this.bytes = bytes;
        at = from;
    }

    boolean ended() {
        return at >= bytes.length;
    }

    /** Returns a decision from 0 to {@code of} - 1; {@code of} is at most 65536. */
    int below(int of) {
        int value = next();
        return (of > 256 ? value << 8 | next() : value) % of;
    }

    private int next() {
        return at < bytes.length ? bytes[at++] & 0xff : 0;
    }
}
