package org.ingrain.workbench;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ingrain.tensor.DType;

/** Reads and writes elements of a tensor in host memory as F32. */
final class Values {
    private Values() {
    }

    /** Writes {@code value} to element i, rounded to nearest even. */
    static void put(MemorySegment host, DType dtype, long i, float value) {
        switch (dtype) {
            case F32 -> host.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            case BF16 -> host.setAtIndex(ValueLayout.JAVA_SHORT, i, bf16(value));
            case F16 -> host.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
            case INT8 -> host.set(ValueLayout.JAVA_BYTE, i, (byte) (int) value);
            default -> throw new IllegalArgumentException(dtype + ", expected F32, BF16, F16 or INT8");
        }
    }

    /** Reads element i. An integer is converted to the nearest float. */
    static float get(MemorySegment host, DType dtype, long i) {
        return switch (dtype) {
            case F32 -> host.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            case BF16 -> Float.intBitsToFloat(host.getAtIndex(ValueLayout.JAVA_SHORT, i) << 16);
            case F16 -> Float.float16ToFloat(host.getAtIndex(ValueLayout.JAVA_SHORT, i));
            case I32 -> host.getAtIndex(ValueLayout.JAVA_INT, i);
            default -> throw new IllegalArgumentException(dtype + ", expected F32, BF16, F16 or I32");
        };
    }

    private static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) (Float.isNaN(value) ? bits >>> 16 | 0x40 : bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    /** Returns the value rounded to the dtype. */
    static float rounded(DType dtype, float value) {
        return switch (dtype) {
            case BF16 -> Float.intBitsToFloat(bf16(value) << 16);
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            default -> value;
        };
    }
}
