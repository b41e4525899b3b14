package org.ingrain.ops;

import org.ingrain.tensor.DType;

/**
 * How far a result may lie from its reference, which is computed in f32: {@code unit(dtype)·|e| + (unit(inner) + (4 +
 * 2√n)·2⁻²⁴)·max(m, max |e|)}.
 *
 * <p>The first term is the one rounding of a result e to its dtype (2⁻⁸ for bf16, half a step of its 8 significant
 * bits). The workbench's {@code Tolerance} allows two, since its oracle rounds too: taken here it would weaken the
 * parity tests. The second is the error of sums of n terms that both sides add in f32 in different orders: rounding
 * errors are independent, so they grow with √n, in units of the sums' size, for which the largest reference of the
 * array stands; 2 is the tail of the distribution over some ten thousand elements, and 4 covers the handful of
 * roundings of an elementwise function. Where terms cancel, the sums are larger than any result, and the check names
 * their magnitude m. Where the op reads a result of another op that was rounded to a dtype (and the reference has it
 * unrounded), that rounding counts too.
 *
 * @param unit      relative error of one rounding to the result's dtype
 * @param terms     n, the length of the longest sum behind one result
 * @param inner     relative error of a rounding before the sums, 0 where there is none
 * @param magnitude m, the size of the terms where it exceeds that of every result; else 0
 */
record ParityTolerance(double unit, long terms, double inner, double magnitude) {
    private static final double F32_UNIT = 0x1p-24;

    /** Results of this dtype, each a sum of {@code terms} terms. */
    static ParityTolerance of(DType dtype, long terms) {
        return new ParityTolerance(unit(dtype), terms, 0, 0);
    }

    /** Copies and single roundings: as near as the dtype can be, and exact in f32. */
    static ParityTolerance rounding(DType dtype) {
        return new ParityTolerance(dtype == DType.F32 ? 0 : unit(dtype), -1, 0, 0);
    }

    /** The same, for terms of size m that cancel. */
    ParityTolerance magnitude(double m) {
        return new ParityTolerance(unit, terms, inner, m);
    }

    /** The same, where a term was rounded to this dtype. */
    ParityTolerance through(DType dtype) {
        return new ParityTolerance(unit, terms, unit(dtype), magnitude);
    }

    /**
     * The largest difference allowed at an element whose reference is e, in an array whose largest is {@code largest}.
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
            case I32, I64 -> 0;
        };
    }
}
