package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * INT8 and INT4 weights: pack.cc, pack_quantized and embedding.cc. The parts of a row-major weight must have the same
 * bits on every backend. The layout of a packed weight is backend-specific, so the test reads it with an embedding of
 * all its rows.
 */
class PackQuantizedParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1}, {5, 33}, {37, 127}, {18, 320}};  // rows, columns

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (Weight.Format format : Quantized.formats(layout)) {
                String variant = format + " " + layout;
                checks.add(new Check("pack", variant, lab -> pack(lab, format)));
                checks.add(new Check("pack_quantized", variant, lab -> packQuantized(lab, format)));
                checks.add(new Check("embedding_forward", variant, lab -> embedding(lab, format)));
            }
        }
        return checks;
    }

    /** The source also has groups of zeros, and groups whose values are too small or too large for an f16 scale. */
    private static void pack(ParityCheck lab, Weight.Format format) {
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            for (int[] size : SIZES) {
                int rows = size[0];
                int columns = size[1];
                ParityCheck.Data source = lab.data(dtype, extremes(lab.normal(0.02, DType.F32, rows, columns).values(),
                        format.group(), dtype == DType.F16 ? 4 : 5), rows, columns);
                Quantized expected = Quantized.of(format, source.values(), rows, columns);
                Weight w = lab.context().weight(format, rows, columns, 0);
                int cut = rows / 2;
                lab.ops().pack(w, source.tensor().rows(cut, rows), cut);
                lab.ops().pack(w, source.tensor().rows(0, cut), 0);
                compare(lab, expected, w);
            }
        }
    }

    /** Multiplies whole groups by extreme factors, beginning with the second group. */
    private static float[] extremes(float[] values, int group, int kinds) {
        float[] factors = {0, 1e-7f, 1e-3f, 1e4f, 1e12f};
        for (int i = group; i < values.length && i < (kinds + 1) * group; i++) {
            values[i] *= factors[i / group - 1];
        }
        return values;
    }

    private static void packQuantized(ParityCheck lab, Weight.Format format) {
        for (int[] size : SIZES) {
            Quantized expected = Quantized.random(lab, format, size[0], size[1]);
            compare(lab, expected, expected.weight(lab, lab.ops(), format.layout(), 0));
        }
    }

    private static void compare(ParityCheck lab, Quantized expected, Weight w) {
        float[] parts = expected.parts();
        float[] found;
        if (w.layout() == Weight.Layout.ROW_MAJOR) {
            found = expected.partsOf(lab, w);
        } else {
            parts = expected.elements();
            Tensor rows = lab.output(DType.F32, w.rows(), w.columns());
            lab.trusted().embedding(rows, lab.ints(IntStream.range(0, expected.rows()).toArray()), w);
            found = lab.floats(rows);
        }
        lab.expect("W " + w, parts, found, ParityTolerance.rounding(DType.F32));
    }

    private static void embedding(ParityCheck lab, Weight.Format format) {
        for (int[] size : SIZES) {
            Quantized table = Quantized.random(lab, format, size[0], size[1]);
            Weight w = table.weight(lab, lab.trusted(), format.layout(), 0);
            int[] ids = lab.randomInts(7, size[0]);
            float[] elements = table.elements();
            float[] expected = new float[ids.length * size[1]];
            for (int i = 0; i < ids.length; i++) {
                System.arraycopy(elements, ids[i] * size[1], expected, i * size[1], size[1]);
            }
            for (DType dtype : FLOATS) {
                Tensor y = lab.output(dtype, ids.length, size[1]);
                lab.ops().embedding(y, lab.ints(ids), w);
                lab.expect("y " + w, expected, y, ParityTolerance.rounding(dtype));
            }
        }
    }
}
