package org.ingrain.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A weight W (rows = output features N, columns = input features C) in the backend's layout: the {@code ingrain_weight}
 * descriptor and its memory. {@code chunk} is the number of columns per partial sum, or 0 for a single sum over all
 * columns. An F8E4M3 weight also has one scale per row, which {@code pack} writes. An INT8 or INT4 weight has a scale
 * and possibly a zero point for each group of columns, in the same memory as the values.
 */
public final class Weight {
    private final MemorySegment descriptor;
    private final Tensor data;
    private final Tensor scales;
    private final Format format;
    private final long rows;
    private final long columns;

    /** The order of the elements: as in a file, or backend-specific. */
    public enum Layout { ROW_MAJOR, PACKED }

    /**
     * How a weight's elements are stored.
     *
     * @param dtype  type of the elements
     * @param layout order of the elements
     * @param group  columns per scale of INT8 and INT4, 32, 64 or 128; 0 for other types
     * @param zeros  whether each group has a zero point; only for INT4
     */
    public record Format(DType dtype, Layout layout, int group, boolean zeros) {
        public Format {
            boolean possible = dtype.quantized() ? group == 32 || group == 64 || group == 128 : group == 0;
            if (!possible || zeros && dtype != DType.INT4) {
                throw new IllegalArgumentException("a weight of " + dtype + " in groups of " + group
                        + (zeros ? " with zero points" : ""));
            }
        }

        /** The format of a type without groups. */
        public static Format of(DType dtype, Layout layout) {
            return new Format(dtype, layout, 0, false);
        }

        @Override
        public String toString() {
            String groups = group == 0 ? "" : " in groups of " + group;
            return dtype + groups + (zeros ? " with zero points" : "");
        }
    }

    /**
     * @param data   memory of the weight: a tensor of the format's dtype, or of INT8 (bytes) if the dtype is INT4
     * @param scales (rows) f32 if the dtype is F8E4M3, otherwise null
     */
    public Weight(Arena arena, Format format, Tensor data, Tensor scales, long rows, long columns, long chunk) {
        this.format = format;
        this.data = data;
        this.scales = scales;
        this.rows = rows;
        this.columns = columns;
        descriptor = arena.allocate(56, 8);
        descriptor.set(ValueLayout.JAVA_LONG, 0, data.address());
        descriptor.set(ValueLayout.JAVA_LONG, 8, scales == null ? 0L : scales.address());
        descriptor.set(ValueLayout.JAVA_INT, 16, dtype().code());
        descriptor.set(ValueLayout.JAVA_INT, 20, layout().ordinal());
        descriptor.set(ValueLayout.JAVA_LONG, 24, rows);
        descriptor.set(ValueLayout.JAVA_LONG, 32, columns);
        descriptor.set(ValueLayout.JAVA_LONG, 40, chunk);
        descriptor.set(ValueLayout.JAVA_INT, 48, format.group());
        descriptor.set(ValueLayout.JAVA_INT, 52, format.zeros() ? 1 : 0);
    }

    /** The address of the native descriptor; only the packages {@code ffi} and {@code tensor} may use this address. */
    public long address() {
        return descriptor.address();
    }

    /** The memory of the weight: a tensor of its dtype, or of bytes for INT4. {@link #layout} is the element order. */
    public Tensor data() {
        return data;
    }

    /** The scale of each row, (rows) f32; null if the dtype needs no scales. */
    public Tensor scales() {
        return scales;
    }

    public Format format() {
        return format;
    }

    public DType dtype() {
        return format.dtype();
    }

    public Layout layout() {
        return format.layout();
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
