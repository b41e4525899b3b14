package org.ingrain.ops;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Checks of shapes and types. A failed check throws an IllegalArgumentException that names the tensor. A size of
 * {@link #ANY} matches any size.
 */
final class Shapes {
    static final long ANY = -1;

    private Shapes() {
    }

    static void vector(String name, Tensor tensor, DType dtype, long n) {
        if (tensor.rank() != 1 || tensor.dtype() != dtype || differs(tensor.size(0), n)) {
            throw refused(name, tensor, dtype + shape(n));
        }
    }

    /** Accepts a vector (n), or null. */
    static void optional(String name, Tensor tensor, DType dtype, long n) {
        if (tensor != null) {
            vector(name, tensor, dtype, n);
        }
    }

    /** Accepts a matrix of any type. */
    static void matrix(String name, Tensor tensor, long rows, long columns) {
        if (tensor.rank() != 2 || differs(tensor.size(0), rows) || differs(tensor.size(1), columns)) {
            throw refused(name, tensor, shape(rows, columns));
        }
    }

    static void matrix(String name, Tensor tensor, DType dtype, long rows, long columns) {
        if (tensor.rank() != 2 || tensor.dtype() != dtype || differs(tensor.size(0), rows)
                || differs(tensor.size(1), columns)) {
            throw refused(name, tensor, dtype + shape(rows, columns));
        }
    }

    /** Accepts n matrices (n, rows, columns), one for each adapter, layer or block. */
    static void matrices(String name, Tensor tensor, DType dtype, long n, long rows, long columns) {
        if (tensor.rank() != 3 || tensor.dtype() != dtype || differs(tensor.size(0), n) || differs(tensor.size(1), rows)
                || differs(tensor.size(2), columns)) {
            throw refused(name, tensor, dtype + shape(n, rows, columns));
        }
    }

    /** Accepts any shape with n elements. */
    static void elements(String name, Tensor tensor, DType dtype, long n) {
        if (tensor.dtype() != dtype || tensor.elements() != n) {
            throw refused(name, tensor, n + " elements of " + dtype);
        }
    }

    /** Accepts a tensor with the type and shape of {@code other}. */
    static void like(String name, Tensor tensor, Tensor other) {
        boolean equal = tensor.dtype() == other.dtype() && tensor.rank() == other.rank();
        for (int i = 0; equal && i < other.rank(); i++) {
            equal = tensor.size(i) == other.size(i);
        }
        if (!equal) {
            throw refused(name, tensor, other.toString());
        }
    }

    /** Checks the tensors of a norm: x (T, D), w (D), rstd (T) f32 or null. */
    static void norm(Tensor rstd, Tensor w, Tensor x) {
        matrix("x", x, ANY, ANY);
        vector("w", w, x.dtype(), x.size(1));
        optional("rstd", rstd, DType.F32, x.size(0));
    }

    /** Checks the tensors of qkNorm: x (T, (H + 2K)·E), weights (E), rstd (T, H + K) f32 or null. */
    static void normedHeads(Tensor rstd, Tensor x, QkNorm w, Ops.Heads heads) {
        matrix("x", x, ANY, heads.columns());
        vector("q_norm", w.q(), x.dtype(), heads.e());
        vector("k_norm", w.k(), x.dtype(), heads.e());
        if (rstd != null) {
            matrix("rstd", rstd, DType.F32, x.size(0), heads.h() + heads.k());
        }
    }

    /** Checks the tensors of rope: qkv (T, (H + 2K)·E), table (P, E) f32, positions (T) I32. */
    static void rotation(String name, Tensor qkv, Tensor table, Tensor positions, Ops.Heads heads) {
        matrix(name, qkv, ANY, heads.columns());
        matrix("table", table, DType.F32, ANY, heads.e());
        vector("positions", positions, DType.I32, qkv.size(0));
    }

    /** Checks the tensors of packed attention: y (T, H·E), lse (T, H) f32, qkv (T, (H + 2K)·E), offsets (S + 1) I32. */
    static void packed(AttentionState state, Ops.Heads heads) {
        matrix("qkv", state.qkv(), ANY, heads.columns());
        matrix("y", state.y(), state.qkv().dtype(), state.qkv().size(0), heads.h() * heads.e());
        matrix("lse", state.lse(), DType.F32, state.qkv().size(0), heads.h());
        vector("offsets", state.offsets(), DType.I32, Math.max(1, state.offsets().elements()));
    }

    /** Checks the tensors of packQuantized. {@code zeros} is not checked if w has no zero points. */
    static void quantized(Weight w, Tensor values, Tensor scales, Tensor zeros) {
        long groups = Math.ceilDiv(w.columns(), (long) Math.max(1, w.format().group()));
        matrix("values", values, DType.INT8, ANY,
                w.dtype() == DType.INT4 ? Math.ceilDiv(w.columns(), 2L) : w.columns());
        matrix("scales", scales, DType.F16, values.size(0), groups);
        if (w.format().zeros()) {
            matrix("zeros", zeros, DType.INT8, values.size(0), groups);
        }
    }

    static IllegalArgumentException refused(String name, Tensor tensor, String expected) {
        return new IllegalArgumentException(name + " is " + tensor + ", expected " + expected);
    }

    private static boolean differs(long size, long expected) {
        return size != expected && expected != ANY;
    }

    private static String shape(long... sizes) {
        return java.util.Arrays.toString(sizes).replace("-1", "any");
    }
}
