package org.ingrain.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.LongStream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Weight;

/**
 * Rows of a quantized matrix in host memory, in the row-major layout of {@code ingrain.h}: values, then scales, then
 * zero points, each part at a multiple of 64 bytes. An element of an INT8 row is value·scale. An element of an INT4 row
 * is (value - zero)·scale; the zero is 8 if there are no zero points.
 *
 * @param format  INT8 or INT4, row-major
 * @param rows    number of rows
 * @param columns number of columns
 * @param memory  the three parts
 */
public record QuantizedRows(Weight.Format format, long rows, long columns, MemorySegment memory) {
    private static final long ALIGNMENT = 64;
    private static final int MIDDLE = 8;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    /** Returns rows that use the beginning of {@code memory}. The caller writes their elements. */
    public static QuantizedRows in(MemorySegment memory, Weight.Format format, long rows, long columns) {
        QuantizedRows made = new QuantizedRows(format, rows, columns, memory);
        return new QuantizedRows(format, rows, columns, memory.asSlice(0, made.bytes()));
    }

    /** Returns how many rows with this many columns fit in {@code bytes}, but at least 1. */
    public static long fitting(long bytes, Weight.Format format, long columns) {
        QuantizedRows one = new QuantizedRows(format, 1, columns, MemorySegment.NULL);
        return Math.max(1, (bytes - 2 * ALIGNMENT) / (one.rowBytes() + one.groups() * (Short.BYTES + 1)));
    }

    /** Size of all parts in bytes. */
    public long bytes() {
        return zerosOffset() + (format.zeros() ? rows * groups() : 0);
    }

    /** Bytes of the values of one row. */
    public long rowBytes() {
        return format.dtype() == DType.INT8 ? columns : Math.ceilDiv(columns, 2);
    }

    /** Number of groups in a row. */
    public long groups() {
        return Math.ceilDiv(columns, format.group());
    }

    /** Offset of the scales in {@link #memory}. */
    public long scalesOffset() {
        return aligned(rows * rowBytes());
    }

    /** Offset of the zero points in {@link #memory}. */
    public long zerosOffset() {
        return aligned(scalesOffset() + rows * groups() * Short.BYTES);
    }

    private static long aligned(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /** (rows, rowBytes) int8, or two INT4 values per byte, the first in the low four bits. */
    public MemorySegment values() {
        return memory.asSlice(0, rows * rowBytes());
    }

    /** (rows, groups) F16. */
    public MemorySegment scales() {
        return memory.asSlice(scalesOffset(), rows * groups() * Short.BYTES);
    }

    /** (rows, groups) unsigned bytes; empty if the format has no zero points. */
    public MemorySegment zeros() {
        return format.zeros() ? memory.asSlice(zerosOffset(), rows * groups()) : MemorySegment.NULL;
    }

    /** Writes the elements to {@code target} (rows, columns) F32. */
    void dequantize(MemorySegment target) {
        MemorySegment values = values();
        MemorySegment scales = scales();
        MemorySegment zeros = zeros();
        boolean bytes = format.dtype() == DType.INT8;
        LongStream.range(0, rows).parallel().forEach(row -> {
            for (long group = 0; group < groups(); group++) {
                long at = row * groups() + group;
                float scale = Float.float16ToFloat(scales.getAtIndex(ValueLayout.JAVA_SHORT, at));
                int zero = bytes ? 0 : format.zeros() ? zeros.get(ValueLayout.JAVA_BYTE, at) & 0xff : MIDDLE;
                long end = Math.min(columns, (group + 1) * format.group());
                for (long c = group * format.group(); c < end; c++) {
                    int q = bytes ? values.get(ValueLayout.JAVA_BYTE, row * columns + c)
                            : values.get(ValueLayout.JAVA_BYTE, row * rowBytes() + c / 2) >> 4 * (c & 1) & 15;
                    target.setAtIndex(FLOAT, row * columns + c, (q - zero) * scale);
                }
            }
        });
    }
}
