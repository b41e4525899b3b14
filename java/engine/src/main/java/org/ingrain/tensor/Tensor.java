package org.ingrain.tensor;

import java.util.Arrays;

/**
 * A row-major block of device memory: where it is, what its elements are and its shape. A tensor owns nothing; the
 * context that allocated the memory frees it. Slices and views share memory.
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

    /** A tensor without memory, from which its size can be computed. */
    public static Tensor unallocated(DType dtype, long... shape) {
        return new Tensor(0, dtype, shape);
    }

    /** The device address; for {@code ffi} and {@code tensor} alone. */
    public long address() {
        return address;
    }

    public DType dtype() {
        return dtype;
    }

    public int rank() {
        return shape.length;
    }

    /** Size of dimension i; negative i counts from the last. */
    public long size(int i) {
        return shape[i < 0 ? shape.length + i : i];
    }

    public long elements() {
        long n = 1;
        for (long size : shape) {
            n *= size;
        }
        return n;
    }

    public long bytes() {
        return elements() * dtype.bytes();
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

    /** The same memory from its start with another shape of at most as many elements. */
    public Tensor view(long... newShape) {
        return view(dtype, newShape);
    }

    /** The same memory from its start read as another dtype and shape of at most as many bytes. */
    public Tensor view(DType newDType, long... newShape) {
        Tensor view = new Tensor(address, newDType, newShape);
        if (view.bytes() > bytes()) {
            throw new IndexOutOfBoundsException(view + " does not fit in " + this);
        }
        return view;
    }

    /** The memory from {@code offset} elements on, flat, {@code n} elements long. */
    public Tensor slice(long offset, long n) {
        if (offset < 0 || n < 0 || offset + n > elements()) {
            throw new IndexOutOfBoundsException("[" + offset + ", " + (offset + n) + ") of " + this);
        }
        return new Tensor(address + offset * dtype.bytes(), dtype, n);
    }

    /** The first column of {@code column} in every row of a matrix: the pointer moves, the row distance stays. */
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
