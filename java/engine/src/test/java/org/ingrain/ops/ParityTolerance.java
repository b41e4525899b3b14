package org.ingrain.ops;

import org.ingrain.tensor.DType;

/**
 * Largest allowed difference between a result and its reference value e, which is computed in f32:
 * {@code unit(dtype)·|e| + (unit(inner) + (4 + 2√n)·2⁻²⁴)·max(m, max |e|)}.
 *
 * <p>The first term allows for one rounding of the result to its dtype (2⁻⁸ for bf16, which has 8 significant bits).
 * The {@code Tolerance} of the workbench allows two roundings, because its oracle also rounds. The reference of a
 * parity test does not round, so a tolerance of two roundings would be too large. The second term allows for the error
 * of sums of n terms, which the op and the reference add in f32 in different orders. Rounding errors are independent,
 * so the error of a sum grows with √n. The error is relative to the size of the sums. The largest reference of the
 * array is an estimate of this size. The factor 2 covers the largest error among about ten thousand elements. The
 * summand 4 covers the few roundings of an elementwise function. If terms cancel, a sum contains terms that are larger
 * than any result. In this case the check sets the magnitude m of these terms. {@code inner} is the dtype to which the
 * op, but not the reference, rounds an input or an intermediate value.
 *
 * @param unit      relative error of one rounding to the result's dtype
 * @param terms     n, the length of the longest sum in one result
 * @param inner     relative error of the rounding of inputs or intermediate values; 0 if the op does not round them
 * @param magnitude m, the magnitude of the terms if it exceeds the magnitude of every result; otherwise 0
 */
record ParityTolerance(double unit, long terms, double inner, double magnitude) {
    private static final double F32_UNIT = 0x1p-24;

    /** For results of this dtype that are each a sum of {@code terms} terms. */
    static ParityTolerance of(DType dtype, long terms) {
        return new ParityTolerance(unit(dtype), terms, 0, 0);
    }

    /** For copies and single roundings: half a unit in the last place of the dtype, or 0 for f32. */
    static ParityTolerance rounding(DType dtype) {
        return new ParityTolerance(dtype == DType.F32 ? 0 : unit(dtype), -1, 0, 0);
    }

    /** For results without any rounding. */
    static ParityTolerance exact() {
        return new ParityTolerance(0, -1, 0, 0);
    }

    /** A copy of this tolerance for a sum whose terms have magnitude m and may cancel each other. */
    ParityTolerance magnitude(double m) {
        return new ParityTolerance(unit, terms, inner, m);
    }

    /** A copy of this tolerance for terms that were rounded to this dtype before the sum. */
    ParityTolerance through(DType dtype) {
        return new ParityTolerance(unit, terms, unit(dtype), magnitude);
    }

    /**
     * The largest allowed difference at an element whose reference is e.
     *
     * @param largest largest magnitude in the array of references
     */
    double limit(double e, double largest) {
        double sums = terms < 0 ? 0 : (4 + 2 * Math.sqrt(terms)) * F32_UNIT;
        return unit * Math.abs(e) + (inner + sums) * Math.max(magnitude, largest);
    }

    private static double unit(DType dtype) {
        return switch (dtype) {
            case F32 -> F32_UNIT;
            case BF16 -> 0x1p-8;
            case F16 -> 0x1p-11;
            case F8E4M3 -> 0x1p-4;
            case I32, I64, INT8, INT4 -> 0;
        };
    }
}
