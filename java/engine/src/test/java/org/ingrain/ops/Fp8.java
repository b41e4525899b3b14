package org.ingrain.ops;

import java.util.Arrays;

/**
 * fp8 E4M3 (arXiv:2209.05433, table 1): 4 exponent bits with bias 7, 3 mantissa bits, no infinity, largest value 448.
 */
final class Fp8 {
    static final float LARGEST = 448;
    private static final float[] MAGNITUDES = magnitudes();

    private Fp8() {
    }

    private static float[] magnitudes() {
        float[] values = new float[127];  // code 127 is NaN
        for (int code = 0; code < values.length; code++) {
            int exponent = code >> 3;
            int mantissa = code & 7;
            values[code] = exponent == 0 ? Math.scalb((float) mantissa, -9) : Math.scalb(
                    (float) (8 + mantissa), exponent - 10);
        }
        return values;
    }

    /** Rounds to nearest even and saturates at 448. */
    static byte encode(float x) {
        float size = Math.min(Math.abs(x), LARGEST);
        int at = Arrays.binarySearch(MAGNITUDES, size);
        int code = at;
        if (at < 0) {
            int up = -at - 1;
            float above = MAGNITUDES[up] - size;
            float below = size - MAGNITUDES[up - 1];
            code = above < below || above == below && up % 2 == 0 ? up : up - 1;
        }
        return (byte) (Float.floatToRawIntBits(x) < 0 ? code | 0x80 : code);
    }

    static float decode(byte bits) {
        float size = MAGNITUDES[bits & 0x7f];
        return bits < 0 ? -size : size;
    }

    /**
     * A matrix with one scale per row: the largest magnitude in the row, divided by 448. The scale of a zero row is 1.
     */
    record Scaled(byte[] codes, float[] scales) {
        static Scaled of(float[] values, int rows) {
            byte[] codes = new byte[values.length];
            float[] scales = new float[rows];
            int columns = values.length / rows;
            for (int r = 0; r < rows; r++) {
                float largest = 0;
                for (int c = 0; c < columns; c++) {
                    largest = Math.max(largest, Math.abs(values[r * columns + c]));
                }
                scales[r] = largest > 0 ? largest / LARGEST : 1;
                for (int c = 0; c < columns; c++) {
                    codes[r * columns + c] = encode(values[r * columns + c] / scales[r]);
                }
            }
            return new Scaled(codes, scales);
        }

        /** The decoded values: each code times the scale of its row. */
        float[] values() {
            float[] values = new float[codes.length];
            int columns = codes.length / scales.length;
            for (int i = 0; i < codes.length; i++) {
                values[i] = decode(codes[i]) * scales[i / columns];
            }
            return values;
        }
    }
}
