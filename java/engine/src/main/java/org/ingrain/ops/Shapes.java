package org.ingrain.ops;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Checks of shapes and types that name the tensor they refuse. A size of {@link #ANY} is free. */
final class Shapes {
    static final long ANY = -1;

    private Shapes() {
    }

    static void vector(String name, Tensor tensor, DType dtype, long n) {
        if (tensor.rank() != 1 || tensor.dtype() != dtype || differs(tensor.size(0), n)) {
            throw refused(name, tensor, dtype + shape(n));
        }
    }

    /** A vector, or null. */
    static void optional(String name, Tensor tensor, DType dtype, long n) {
        if (tensor != null) {
            vector(name, tensor, dtype, n);
        }
    }

    /** A matrix of any type. */
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

    /** A matrix for each adapter, layer or block. */
    static void matrices(String name, Tensor tensor, DType dtype, long n, long rows, long columns) {
        if (tensor.rank() != 3 || tensor.dtype() != dtype || differs(tensor.size(0), n) || differs(tensor.size(1), rows)
                || differs(tensor.size(2), columns)) {
            throw refused(name, tensor, dtype + shape(n, rows, columns));
        }
    }

    /** Any shape of n elements. */
    static void elements(String name, Tensor tensor, DType dtype, long n) {
        if (tensor.dtype() != dtype || tensor.elements() != n) {
            throw refused(name, tensor, n + " elements of " + dtype);
        }
    }

    /** The type and shape of another. */
    static void like(String name, Tensor tensor, Tensor other) {
        boolean equal = tensor.dtype() == other.dtype() && tensor.rank() == other.rank();
        for (int i = 0; equal && i < other.rank(); i++) {
            equal = tensor.size(i) == other.size(i);
        }
        if (!equal) {
            throw refused(name, tensor, other.toString());
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
