package org.ingrain.tensor;

import java.util.Arrays;

/**
 * A row-major tensor in device memory: address, element type and shape. A tensor does not own its memory; the context
 * that allocated the memory frees it. Slices and views share memory.
 */
public final class Tensor {
    private final long address;
    private final DType dtype;
    private final long[] shape;

    public Tensor(long address, DType dtype, long... shape) {
        this.address = address;
        this.dtype = dtype;
        this.shape = shape.clone();
    }

    /** A tensor without memory, for computing sizes. */
    public static Tensor unallocated(DType dtype, long... shape) {
        return new Tensor(0, dtype, shape);
    }

    /** The device address; only the packages {@code ffi} and {@code tensor} may use this address. */
    public long address() {
        return address;
    }

    public DType dtype() {
        return dtype;
    }

    public int rank() {
        return shape.length;
    }

    /** Size of dimension i; a negative i counts from the last dimension. */
    public long size(int i) {
        return shape[i < 0 ? shape.length + i : i];
    }

    public long elements() {
        long n = 1;
        for (long size : shape) {
            n = Math.multiplyExact(n, size);
        }
        return n;
    }

    public long bytes() {
        return Math.multiplyExact(elements(), dtype.bytes());
    }

    /** Rows [begin, end) of the first dimension. */
    public Tensor rows(long begin, long end) {
        if (begin < 0 || end < begin || end > shape[0]) {
            throw new IndexOutOfBoundsException("rows [" + begin + ", " + end + ") of " + this);
        }
        long[] part = shape.clone();
        part[0] = end - begin;
        long rowElements = shape[0] == 0 ? 0 : elements() / shape[0];
        return new Tensor(address + begin * rowElements * dtype.bytes(), dtype, part);
    }

    /**
     * A view of the same memory with another shape. The view starts at the first element and may be smaller than this
     * tensor.
     */
    public Tensor view(long... newShape) {
        return view(dtype, newShape);
    }

    /**
     * A view of the same memory with another dtype and shape. The view starts at the first byte and may be smaller than
     * this tensor.
     */
    public Tensor view(DType newDType, long... newShape) {
        Tensor view = new Tensor(address, newDType, newShape);
        if (view.bytes() > bytes()) {
            throw new IndexOutOfBoundsException(view + " does not fit in " + this);
        }
        return view;
    }

    /** A flat slice of {@code n} elements, starting at element {@code offset}. */
    public Tensor slice(long offset, long n) {
        if (offset < 0 || n < 0 || offset + n > elements()) {
            throw new IndexOutOfBoundsException("[" + offset + ", " + (offset + n) + ") of " + this);
        }
        return new Tensor(address + offset * dtype.bytes(), dtype, n);
    }

    /**
     * A view of this matrix that starts at element {@code column} of the first row. Shape and row stride are unchanged.
     */
    public Tensor fromColumn(long column) {
        if (rank() != 2 || column < 0 || column >= shape[1]) {
            throw new IndexOutOfBoundsException("column " + column + " of " + this);
        }
        return new Tensor(address + column * dtype.bytes(), dtype, shape);
    }

    @Override
    public String toString() {
        return dtype + Arrays.toString(shape);
    }
}
