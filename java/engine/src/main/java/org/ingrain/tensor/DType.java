package org.ingrain.tensor;

/**
 * Element types, numbered as in {@code ingrain.h}. F8E4M3 (arXiv:2209.05433) is supported only on GPUs, for weights and
 * caches. INT8 and INT4 are types of a {@link Weight}. A {@link Tensor} of type INT8 consists of bytes; no tensor has
 * type INT4.
 */
public enum DType {
    F32(0, 4), BF16(1, 2), F16(2, 2), I32(3, 4), I64(4, 8), F8E4M3(5, 1), INT8(6, 1), INT4(7, 0);

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

    /** Whether weights of this type have a scale per group of columns. */
    public boolean quantized() {
        return this == INT8 || this == INT4;
    }

    /** Bytes per element of a tensor. */
    public int bytes() {
        if (bytes == 0) {
            throw new IllegalStateException(this + " has less than a byte per element");
        }
        return bytes;
    }
}
