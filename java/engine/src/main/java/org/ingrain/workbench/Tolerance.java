package org.ingrain.workbench;

import org.ingrain.tensor.DType;

/**
 * The largest allowed difference between a result and the oracle's value e is {@code 2·unit(dtype)·|e| + (inner + (4 +
 * 2√n)·2⁻²⁴)·max(m, max |e|)}.
 *
 * <p>The first term allows one rounding to the result's dtype on each side, because the oracle rounds e to that dtype
 * too. The second term allows for the error of sums of n terms, which the two sides add in f32 in different orders. The
 * rounding errors are independent, so their total grows with √n. Their total is also proportional to the magnitude of
 * the sums. This magnitude is estimated by the largest result of the array, or by m if the terms cancel. {@code inner}
 * is the relative error of values that the op rounds before it sums them. For example, a kernel may pass bf16 to the
 * tensor cores.
 *
 * <p>{@code ParityTolerance}, which the parity tests use, differs in two points. It allows only one rounding to the
 * result's dtype, because the references of these tests are f32. It also has no parameter {@code strays}: every element
 * is compared.
 *
 * @param unit      relative error of one rounding to the result's dtype
 * @param terms     n, the number of terms of the longest sum in one result; -1 for no sum
 * @param inner     relative error of values that the op rounds before it sums them; 0 if it does not round them
 * @param magnitude m, the magnitude of terms that cancel; 0 if no terms cancel
 * @param strays    fraction of elements that may differ by any amount. It is above 0 for ops that draw ids: if a random
 *                  number is near the boundary between two ids, rounding can change the id
 */
record Tolerance(double unit, long terms, double inner, double magnitude, double strays) {
    private static final double F32_UNIT = 0x1p-24;

    /** The tolerance for results of this dtype if each result is a sum of {@code terms} terms. */
    static Tolerance of(DType dtype, long terms) {
        return new Tolerance(unit(dtype), terms, 0, 0, 0);
    }

    /** The tolerance that allows no difference. */
    static Tolerance exact() {
        return new Tolerance(0, -1, 0, 0, 0);
    }

    Tolerance magnitude(double m) {
        return new Tolerance(unit, terms, inner, m, strays);
    }

    /** A copy of this tolerance that allows each term to be rounded to this dtype before the sum. */
    Tolerance through(DType dtype) {
        return new Tolerance(unit, terms, dtype == DType.F32 ? 0 : unit(dtype), magnitude, strays);
    }

    Tolerance strays(double share) {
        return new Tolerance(unit, terms, inner, magnitude, share);
    }

    /**
     * The largest allowed difference at an element whose oracle value is e.
     *
     * @param largest largest finite magnitude in the oracle's array
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
