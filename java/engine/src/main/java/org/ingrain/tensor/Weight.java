package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A weight W (rows = output features N, columns = input features C) in the layout its backend chose: the {@code ingrain_weight}
 * descriptor and the memory behind it. {@code chunk} is the number of columns one partial sum covers, 0 for one sum over all.
 */
public final class Weight {
    private final MemorySegment descriptor;
    private final Tensor data;
    private final DType dtype;
    private final Layout layout;
    private final long rows;
    private final long columns;

    /** How the elements lie: as in a file, or in the backend's own order. */
    public enum Layout { ROW_MAJOR, PACKED }

    public Weight(Arena arena, Tensor data, DType dtype, Layout layout, long rows, long columns, long chunk) {
        this.data = data;
        this.dtype = dtype;
        this.layout = layout;
        this.rows = rows;
        this.columns = columns;
        descriptor = arena.allocate(48, 8);
        descriptor.set(ValueLayout.JAVA_LONG, 0, data.address());
        descriptor.set(ValueLayout.JAVA_LONG, 8, 0L);
        descriptor.set(ValueLayout.JAVA_INT, 16, dtype.code());
        descriptor.set(ValueLayout.JAVA_INT, 20, layout.ordinal());
        descriptor.set(ValueLayout.JAVA_LONG, 24, rows);
        descriptor.set(ValueLayout.JAVA_LONG, 32, columns);
        descriptor.set(ValueLayout.JAVA_LONG, 40, chunk);
    }

    /** Address of the descriptor; for {@code ffi} and {@code tensor} alone. */
    public long address() {
        return descriptor.address();
    }

    /** The packed memory, as bytes of its dtype; its inner order is the backend's own. */
    public Tensor data() {
        return data;
    }

    public DType dtype() {
        return dtype;
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

    /** Columns that one partial sum covers, 0 for one sum over all. */
    public long chunk() {
        return descriptor.get(ValueLayout.JAVA_LONG, 40);
    }

    @Override
    public String toString() {
        return "weight " + dtype + "[" + rows + ", " + columns + "]";
    }
}
