package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.ingrain.tensor.DType;

/** Converts float types and bytes to and from arrays of F32, and compares them. */
final class Floats {
    /**
     * Marks an expected value that was not recorded. It is a NaN with a special payload. Adding a number to it does not
     * change the payload.
     */
    static final float UNKNOWN = Float.intBitsToFloat(0x7fd15ca7);

    private Floats() {
    }

    /** The values rounded to the dtype. */
    static float[] rounded(DType dtype, float... values) {
        return of(dtype, bits(dtype, values));
    }

    /** The values in the dtype, as little-endian bytes. */
    static byte[] bits(DType dtype, float... values) {
        ByteBuffer buffer = ByteBuffer.allocate(values.length * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        float[] source = dtype == DType.BF16 ? Torch.roundToBf16(values) : values;
        for (float value : source) {
            switch (dtype) {
                case F32 -> buffer.putFloat(value);
                case BF16 -> buffer.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                case F16 -> buffer.putShort(Float.floatToFloat16(value));
                case F8E4M3 -> buffer.put(Fp8.encode(value));
                case INT8 -> buffer.put((byte) (int) value);
                default -> throw new IllegalArgumentException(dtype + ", expected F32, BF16, F16, F8E4M3 or INT8");
            }
        }
        return buffer.array();
    }

    /** Decodes little-endian bytes of the dtype. */
    static float[] of(DType dtype, byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[bytes.length / dtype.bytes()];
        for (int i = 0; i < values.length; i++) {
            values[i] = switch (dtype) {
                case F32 -> buffer.getFloat();
                case BF16 -> Float.intBitsToFloat(buffer.getShort() << 16);
                case F16 -> Float.float16ToFloat(buffer.getShort());
                case F8E4M3 -> Fp8.decode(buffer.get());
                case INT8 -> buffer.get();
                default -> throw new IllegalArgumentException(dtype + ", expected F32, BF16, F16, F8E4M3 or INT8");
            };
        }
        return values;
    }

    /**
     * Fails at the first element whose difference exceeds the tolerance. If the expected value is an infinity or NaN,
     * the actual value must be the same infinity or NaN.
     */
    static void assertNear(String what, float[] expected, float[] actual, ParityTolerance tolerance) {
        assertEquals(expected.length, actual.length, "elements of " + what);
        double largest = 0;
        for (float e : expected) {
            largest = Float.isFinite(e) ? Math.max(largest, Math.abs(e)) : largest;
        }
        for (int i = 0; i < expected.length; i++) {
            if (Float.floatToRawIntBits(expected[i]) == Float.floatToRawIntBits(UNKNOWN)) {
                continue;
            }
            double limit = tolerance.limit(expected[i], largest);
            boolean near = Float.isFinite(expected[i])
                    ? Math.abs((double) expected[i] - actual[i]) <= limit
                    : Float.compare(expected[i], actual[i]) == 0;
            if (!near) {
                fail(what + ": element " + i + " is " + actual[i] + ", expected " + expected[i] + " within " + limit);
            }
        }
    }

    /** Fails at the first element whose bits differ. NaNs are compared by their bits, too. */
    static void assertBits(String what, float[] expected, float[] actual) {
        assertEquals(expected.length, actual.length, "elements of " + what);
        for (int i = 0; i < expected.length; i++) {
            if (Float.floatToRawIntBits(expected[i]) != Float.floatToRawIntBits(actual[i])) {
                fail(what + ": element " + i + " is " + actual[i] + " in one run, " + expected[i] + " in another");
            }
        }
    }

    /** a + b, element by element, rounded once. */
    static float[] sum(float[] a, float[] b) {
        float[] sum = new float[a.length];
        for (int i = 0; i < a.length; i++) {
            sum[i] = a[i] + b[i];
        }
        return sum;
    }

    /** A copy of values[begin, end). */
    static float[] slice(float[] values, long begin, long end) {
        return java.util.Arrays.copyOfRange(values, Math.toIntExact(begin), Math.toIntExact(end));
    }

    /** The largest absolute value. */
    static double largest(float[] values) {
        double largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }
}
