package org.ingrain.tensor;

/**
 * Element types, numbered as in {@code ingrain.h}. F8E4M3 (arXiv:2209.05433) is supported only on GPUs, for weights and
 * caches.
 */
public enum DType {
    F32(0, 4), BF16(1, 2), F16(2, 2), I32(3, 4), I64(4, 8), F8E4M3(5, 1);

    private final int code;
    private final int bytes;

    DType(int code, int bytes) {
        this.code = code;
        this.bytes = bytes;
    }

    /** The number of the type in the ABI. */
    public int code() {
        return code;
    }

    /** Bytes per element. */
    public int bytes() {
        return bytes;
    }
}
