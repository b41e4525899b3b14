package org.ingrain.ops;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Checks of shapes and types that name the tensor they refuse. */
final class Shapes {
    private Shapes() {
    }

    static void matrix(String name, Tensor tensor, long rows, long columns) {
        if (tensor.rank() != 2 || tensor.size(0) != rows || tensor.size(1) != columns) {
            throw new IllegalArgumentException(name + " is " + tensor + ", expected (" + rows + ", " + columns + ")");
        }
    }

    static void elements(String name, Tensor tensor, long elements) {
        if (tensor.elements() != elements) {
            throw new IllegalArgumentException(name + " is " + tensor + ", expected " + elements + " elements");
        }
    }

    static void dtype(String name, Tensor tensor, DType dtype) {
        if (tensor.dtype() != dtype) {
            throw new IllegalArgumentException(name + " is " + tensor + ", expected " + dtype);
        }
    }

    static void like(String name, Tensor tensor, Tensor other) {
        if (tensor.elements() != other.elements() || tensor.dtype() != other.dtype()) {
            throw new IllegalArgumentException(name + " is " + tensor + ", expected " + other);
        }
    }

    /** rstd (T) or null and w (D) of a norm over x (T, D). */
    static void norm(Tensor rstd, Tensor w, Tensor x) {
        elements("w", w, x.size(1));
        dtype("w", w, x.dtype());
        if (rstd != null) {
            elements("rstd", rstd, x.size(0));
        }
    }
}
