package org.ingrain.workbench;

import org.ingrain.tensor.DType;

/**
 * How far a result may lie from the oracle's e: {@code 2·unit(dtype)·|e| + (inner + (4 + 2√n)·2⁻²⁴)·max(m, max |e|)}.
 *
 * <p>The first term is one rounding to the result's dtype on either side: the oracle's e is rounded too, unlike the f32
 * references of the parity tests, whose {@code ParityTolerance} allows one rounding and knows no strays. The second is
 * the error of sums of n terms that the sides add in f32 in different orders: rounding errors are independent, so they
 * grow with √n, in units of the sums' size, for which the largest result of the array stands; where terms cancel, the
 * case names their magnitude m. {@code inner} counts a rounding before the sums, as where a kernel feeds bf16 to the
 * tensor cores.
 *
 * @param unit      relative error of one rounding to the result's dtype
 * @param terms     n, the length of the longest sum behind one result; -1 where nothing is summed
 * @param inner     relative error of a rounding before the sums, 0 where there is none
 * @param magnitude m, 0 where no terms cancel
 * @param strays    share of elements that may differ by any amount: draws that fall on the border between two ids
 */
record Tolerance(double unit, long terms, double inner, double magnitude, double strays) {
    private static final double F32_UNIT = 0x1p-24;

    /** Results of this dtype, each a sum of {@code terms} terms. */
    static Tolerance of(DType dtype, long terms) {
        return new Tolerance(unit(dtype), terms, 0, 0, 0);
    }

    /** The same bits. */
    static Tolerance exact() {
        return new Tolerance(0, -1, 0, 0, 0);
    }

    Tolerance magnitude(double m) {
        return new Tolerance(unit, terms, inner, m, strays);
    }

    /** The same, where a term may have been rounded to this dtype. */
    Tolerance through(DType dtype) {
        return new Tolerance(unit, terms, dtype == DType.F32 ? 0 : unit(dtype), magnitude, strays);
    }

    Tolerance strays(double share) {
        return new Tolerance(unit, terms, inner, magnitude, share);
    }

    /**
     * The largest difference allowed at an element that the oracle has as e, in an array whose largest is {@code
     * largest}.
     */
    double limit(double e, double largest) {
        double sums = terms < 0 ? 0 : (4 + 2 * Math.sqrt(terms)) * F32_UNIT;
        return 2 * unit * Math.abs(e) + (inner + sums) * Math.max(magnitude, largest);
    }

    private static double unit(DType dtype) {
        return switch (dtype) {
            case F32 -> F32_UNIT;
            case BF16 -> 0x1p-8;
            case F16 -> 0x1p-11;
            default -> 0;
        };
    }
}
