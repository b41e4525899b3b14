package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A weight W (rows = output features N, columns = input features C) in the layout its backend chose: the {@code
 * ingrain_weight} descriptor and the memory behind it. {@code chunk} is the number of columns one partial sum covers, 0
 * for one sum over all. An F8E4M3 weight also has one scale per row, which {@code pack} writes.
 */
public final class Weight {
    private final MemorySegment descriptor;
    private final Tensor data;
    private final Tensor scales;
    private final Layout layout;
    private final long rows;
    private final long columns;

    /** How the elements lie: as in a file, or in the backend's own order. */
    public enum Layout { ROW_MAJOR, PACKED }

    /** scales: (rows) f32 where data is F8E4M3, else null. */
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

    /** Address of the descriptor; for {@code ffi} and {@code tensor} alone. */
    public long address() {
        return descriptor.address();
    }

    /** The packed memory, as bytes of its dtype; its inner order is the backend's own. */
    public Tensor data() {
        return data;
    }

    /** (rows) f32, or null where the dtype needs none. */
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

    /** Columns that one partial sum covers, 0 for one sum over all. */
    public long chunk() {
        return descriptor.get(ValueLayout.JAVA_LONG, 40);
    }

    @Override
    public String toString() {
        return "weight " + dtype() + "[" + rows + ", " + columns + "]";
    }
}
