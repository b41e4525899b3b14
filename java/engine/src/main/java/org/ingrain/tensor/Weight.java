package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A weight W (rows = output features N, columns = input features C) in the backend's layout: the {@code ingrain_weight}
 * descriptor and its memory. {@code chunk} is the number of columns per partial sum, or 0 for a single sum over all
 * columns. An F8E4M3 weight also has one scale per row, which {@code pack} writes.
 */
public final class Weight {
    private final MemorySegment descriptor;
    private final Tensor data;
    private final Tensor scales;
    private final Layout layout;
    private final long rows;
    private final long columns;

    /** The order of the elements: as in a file, or backend-specific. */
    public enum Layout { ROW_MAJOR, PACKED }

    /** @param scales (rows) f32 if data is F8E4M3, otherwise null */
    public Weight(Arena arena, Tensor data, Tensor scales, Layout layout, long rows, long columns, long chunk) {
        this.data = data;
        this.scales = scales;
        this.layout = layout;
        this.rows = rows;
        this.columns = columns;
        descriptor = arena.allocate(48, 8);
        descriptor.set(ValueLayout.JAVA_LONG, 0, data.address());
        descriptor.set(ValueLayout.JAVA_LONG, 8, scales == null ? 0L : scales.address());
        descriptor.set(ValueLayout.JAVA_INT, 16, data.dtype().code());
        descriptor.set(ValueLayout.JAVA_INT, 20, layout.ordinal());
        descriptor.set(ValueLayout.JAVA_LONG, 24, rows);
        descriptor.set(ValueLayout.JAVA_LONG, 32, columns);
        descriptor.set(ValueLayout.JAVA_LONG, 40, chunk);
    }

    /** The address of the native descriptor; only the packages {@code ffi} and {@code tensor} may use this address. */
    public long address() {
        return descriptor.address();
    }

    /** The packed memory, in its dtype. The element order is backend-specific. */
    public Tensor data() {
        return data;
    }

    /** The scale of each row, (rows) f32; null if the dtype needs no scales. */
    public Tensor scales() {
        return scales;
    }

    public DType dtype() {
        return data.dtype();
    }

    public Layout layout() {
        return layout;
    }

    /** Output features N. */
    public long rows() {
        return rows;
    }

    /** Input features C. */
    public long columns() {
        return columns;
    }

    /** Columns per partial sum; 0 for a single sum over all columns. */
    public long chunk() {
        return descriptor.get(ValueLayout.JAVA_LONG, 40);
    }

    /** Number of partial sums; 1 for a single sum over all columns. */
    public long chunks() {
        return chunk() == 0 ? 1 : columns / chunk();
    }

    @Override
    public String toString() {
        return "weight " + dtype() + "[" + rows + ", " + columns + "]";
    }
}
