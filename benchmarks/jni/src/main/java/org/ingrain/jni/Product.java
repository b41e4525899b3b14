package org.ingrain.jni;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/**
 * A bf16 product y (T, N) = x (T, C)·Wᵀ, where W is (N, C), and the inputs of this product. Both bindings use the same
 * inputs.
 *
 * @param x (T, C) bf16, uniform in [-1, 1)
 * @param w (N, C) bf16, uniform in [-1, 1)
 */
record Product(int t, int n, int c, MemorySegment x, MemorySegment w) {
    /** Number of random values before they repeat. This number is a prime, so no two rows are equal. */
    private static final int DRAWN = 1_000_003;

    static Product of(int t, int n, int c, Arena arena) {
        SplittableRandom random = new SplittableRandom(20240709);
        return new Product(t, n, c, draw(random, arena.allocate(bytes(t, c), Short.BYTES)),
                draw(random, arena.allocate(bytes(n, c), Short.BYTES)));
    }

    /** Returns the size of a bf16 matrix in bytes. */
    static long bytes(long rows, long columns) {
        return rows * columns * Short.BYTES;
    }

    private static MemorySegment draw(SplittableRandom random, MemorySegment values) {
        long drawn = Math.min(bytes(1, DRAWN), values.byteSize());
        for (long at = 0; at < drawn; at += Short.BYTES) {
            values.set(ValueLayout.JAVA_SHORT, at, (short) (Float.floatToRawIntBits(random.nextFloat(-1, 1)) >>> 16));
        }
        for (long at = drawn; at < values.byteSize(); at *= 2) {
            MemorySegment.copy(values, 0, values, at, Math.min(at, values.byteSize() - at));
        }
        return values;
    }

    /**
     * Returns ‖found − expected‖ / ‖expected‖ of two bf16 matrices. The result is about 2⁻⁹ if the matrices differ only
     * by rounding, and about 1 if their sums are unrelated.
     */
    static double distance(MemorySegment found, MemorySegment expected) {
        double difference = 0;
        double norm = 0;
        for (long at = 0; at < expected.byteSize(); at += Short.BYTES) {
            double value = value(expected, at);
            difference += Math.pow(value(found, at) - value, 2);
            norm += value * value;
        }
        return Math.sqrt(difference / norm);
    }

    private static float value(MemorySegment matrix, long at) {
        return Float.intBitsToFloat(matrix.get(ValueLayout.JAVA_SHORT, at) << 16);
    }
}
