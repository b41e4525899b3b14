package org.ingrain.tensor;

/**
 * Element types as {@code ingrain.h} numbers them; F8E4M3 (arXiv:2209.05433) is of weights and caches alone, and of
 * GPUs.
 */
public enum DType {
    F32(0, 4), BF16(1, 2), F16(2, 2), I32(3, 4), I64(4, 8), F8E4M3(5, 1);

    private final int code;
    private final int bytes;

    DType(int code, int bytes) {
        this.code = code;
        this.bytes = bytes;
    }

    /** The number that crosses the ABI. */
    public int code() {
        return code;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }
}
