package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The parts of an INT8 or INT4 matrix in the row-major layout that {@code ingrain.h} defines.
 *
 * @param values the bytes of the values, as signed numbers
 * @param scales (rows, n)
 * @param zeros  (rows, n); empty without zero points
 */
record Quantized(Weight.Format format, int rows, int columns, float[] values, float[] scales, float[] zeros) {
    /** The tested formats: INT8 and INT4 with different group sizes (columns per scale), one with zero points. */
    static final List<Weight.Format> FORMATS = formats(Weight.Layout.ROW_MAJOR);

    static List<Weight.Format> formats(Weight.Layout layout) {
        return List.of(new Weight.Format(DType.INT8, layout, 32, false),
                new Weight.Format(DType.INT8, layout, 128, false), new Weight.Format(DType.INT4, layout, 32, false),
                new Weight.Format(DType.INT4, layout, 64, true), new Weight.Format(DType.INT4, layout, 128, false));
    }

    /** An empty matrix, to be filled by {@link #put}. */
    private static Quantized zeros(Weight.Format format, int rows, int columns) {
        int groups = rows * Math.ceilDiv(columns, format.group());
        return new Quantized(format, rows, columns, new float[rows * rowBytes(format, columns)], new float[groups],
                new float[format.zeros() ? groups : 0]);
    }

    private static int rowBytes(Weight.Format format, int columns) {
        return format.dtype() == DType.INT4 ? (columns + 1) / 2 : columns;
    }

    /** Quantizes a matrix by the rules of ingrain_pack. */
    static Quantized of(Weight.Format format, float[] source, int rows, int columns) {
        Quantized to = zeros(format, rows, columns);
        int n = Math.ceilDiv(columns, format.group());
        for (int i = 0; i < to.scales.length; i++) {
            int first = i / n * columns + i % n * format.group();
            to.quantize(i, source, first, Math.min(format.group(), columns - i % n * format.group()));
        }
        return to;
    }

    private void quantize(int i, float[] source, int first, int n) {
        float low = 0;
        float high = 0;
        float largest = 0;
        for (int c = first; c < first + n; c++) {
            low = Math.min(low, source[c]);
            high = Math.max(high, source[c]);
            largest = Math.abs(source[c]) > Math.abs(largest) ? source[c] : largest;
        }
        boolean int8 = format.dtype() == DType.INT8;
        float step = int8 ? Math.abs(largest) / 127 : format.zeros() ? (high - low) / 15 : largest / -8;
        float scale = Float.float16ToFloat(Float.floatToFloat16(Math.clamp(step, -65504f, 65504f)));
        int zero = int8 ? 0 : format.zeros() ? scale == 0 ? 0 : rounded(-low / scale, 0, 15) : 8;
        scales[i] = scale;
        if (format.zeros()) {
            zeros[i] = zero;
        }
        for (int c = first; c < first + n; c++) {
            int q = scale == 0 ? 0 : rounded(source[c] / scale, int8 ? -127 : -zero, int8 ? 127 : 15 - zero);
            put(c / columns, c % columns, q + zero);
        }
    }

    private static int rounded(float x, int low, int high) {
        return (int) Math.clamp(Math.rint(x), low, high);
    }

    private void put(int row, int column, int q) {
        if (format.dtype() == DType.INT8) {
            values[row * columns + column] = q;
            return;
        }
        int at = row * rowBytes(format, columns) + column / 2;
        int byteValue = (int) values[at] & 0xff | q << column % 2 * 4;
        values[at] = (byte) byteValue;
    }

    /** Random values, scales within ±[0.05, 0.15] and, if the format has them, zero points in [0, 16]. */
    static Quantized random(ParityCheck lab, Weight.Format format, int rows, int columns) {
        Quantized to = zeros(format, rows, columns);
        int[] q = lab.randomInts(rows * columns, format.dtype() == DType.INT8 ? 255 : 16);
        for (int i = 0; i < q.length; i++) {
            to.put(i / columns, i % columns, format.dtype() == DType.INT8 ? q[i] - 127 : q[i]);
        }
        for (int i = 0; i < to.scales.length; i++) {
            float scale = (0.05f + 0.1f * lab.random().nextFloat()) * (lab.random().nextBoolean() ? 1 : -1);
            to.scales[i] = Float.float16ToFloat(Float.floatToFloat16(scale));
        }
        for (int i = 0; i < to.zeros.length; i++) {
            to.zeros[i] = lab.random().nextInt(17);
        }
        return to;
    }

    /** The matrix in f32. The computation of an element rounds once. */
    float[] elements() {
        float[] elements = new float[rows * columns];
        int n = Math.ceilDiv(columns, format.group());
        for (int i = 0; i < elements.length; i++) {
            int row = i / columns;
            int column = i % columns;
            int group = row * n + column / format.group();
            int value = format.dtype() == DType.INT8 ? (int) values[i]
                    : ((int) values[row * rowBytes(format, columns) + column / 2] & 0xff) >> column % 2 * 4 & 15;
            int zero = format.zeros() ? (int) zeros[group] : format.dtype() == DType.INT8 ? 0 : 8;
            elements[i] = (value - zero) * scales[group];
        }
        return elements;
    }

    /** The values, scales and zero points, one after another. */
    float[] parts() {
        float[] parts = java.util.Arrays.copyOf(values, values.length + scales.length + zeros.length);
        System.arraycopy(scales, 0, parts, values.length, scales.length);
        System.arraycopy(zeros, 0, parts, values.length + scales.length, zeros.length);
        return parts;
    }

    /** Reads the parts of a row-major weight from its memory. */
    float[] partsOf(ParityCheck lab, Weight w) {
        long scalesAt = Math.ceilDiv(values.length, 64) * 64L;
        long zerosAt = Math.ceilDiv(scalesAt + 2L * scales.length, 64L) * 64;
        return new Quantized(format, rows, columns, lab.floats(w.data().slice(0, values.length)),
                lab.floats(w.data().slice(scalesAt, 2L * scales.length).view(DType.F16, scales.length)),
                lab.floats(w.data().slice(zeros.length == 0 ? 0 : zerosAt, zeros.length))).parts();
    }

    /** A weight with these values in this layout, written by {@code ops}. */
    Weight weight(ParityCheck lab, Ops ops, Weight.Layout layout, long chunk) {
        Weight w = lab.context().weight(new Weight.Format(format.dtype(), layout, format.group(), format.zeros()), rows,
                columns, chunk);
        List<Tensor> parts = new ArrayList<>();
        int n = Math.ceilDiv(columns, format.group());
        parts.add(lab.data(DType.INT8, values, rows, rowBytes(format, columns)).tensor());
        parts.add(lab.data(DType.F16, scales, rows, n).tensor());
        parts.add(format.zeros() ? lab.data(DType.INT8, zeros, rows, n).tensor() : null);
        int cut = rows / 3;
        for (int[] range : new int[][] {{cut, rows}, {0, cut}}) {
            ops.packQuantized(w, parts.get(0).rows(range[0], range[1]), parts.get(1).rows(range[0], range[1]),
                    format.zeros() ? parts.get(2).rows(range[0], range[1]) : null, range[0]);
        }
        return w;
    }
}
