package org.ingrain.ops;

/** fp8 E4M3 (arXiv:2209.05433): sign, 4 exponent bits of bias 7, 3 of mantissa; no infinity, the largest is 448. */
final class Float8 {
    private static final float LARGEST = 448;
    private static final int BIAS = 7;
    private static final byte NAN = 0x7f;

    private Float8() {
    }

    /** The nearest, to even; what is too large becomes ±448. */
    static byte bits(float value) {
        if (Float.isNaN(value)) {
            return NAN;
        }
        float size = Math.min(Math.abs(value), LARGEST);
        int exponent = Math.max(Math.getExponent(size), 1 - BIAS);
        int steps = (int) Math.rint(Math.scalb((double) size, 3 - exponent));
        int bits = (exponent + BIAS - 1 << 3) + steps;
        return (byte) (value < 0 ? bits | 0x80 : bits);
    }

    static float value(byte bits) {
        int exponent = bits >> 3 & 15;
        int mantissa = bits & 7;
        if ((bits & 0x7f) == NAN) {
            return Float.NaN;
        }
        float size = exponent == 0 ? Math.scalb((float) mantissa, 1 - BIAS - 3) : Math.scalb(8f + mantissa, exponent - BIAS - 3);
        return bits < 0 ? -size : size;
    }
}
