package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.OpBindings;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * pack.cc: fills a weight in several calls, reads it back and compares bits. The layout of a packed weight is
 * backend-specific, so the test reads it with a product with the identity matrix.
 */
class PackParityTest extends ParityTest {
    private static final List<DType> SOURCES = List.of(DType.F32, DType.BF16, DType.F16);

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (DType source : SOURCES) {
                for (DType w : FLOATS) {
                    checks.add(new Check("pack", source + " to " + w + " " + layout, lab -> {
                        pack(lab, layout, source, w, new long[] {0, 1}, 1);
                        pack(lab, layout, source, w, new long[] {0, 37}, 127);
                        pack(lab, layout, source, w, new long[] {0, 5, 21, 37}, 64);
                        pack(lab, layout, source, w, new long[] {0, 16, 17, 64, 99}, 33);
                    }));
                }
            }
        }
        return checks;
    }

    /**
     * Packs rows [cuts[i], cuts[i + 1]), the last range first. The source of the first range is a contiguous matrix.
     * Each other source is the left columns of a wider matrix.
     */
    private static void pack(ParityCheck lab, Weight.Layout layout, DType sourceDtype, DType wDtype, long[] cuts,
            long columns) {
        long rows = cuts[cuts.length - 1];
        Weight w = lab.context().weight(wDtype, layout, rows, columns, 0);
        float[] expected = new float[Math.toIntExact(rows * columns)];
        for (int piece = cuts.length - 2; piece >= 0; piece--) {
            long n = cuts[piece + 1] - cuts[piece];
            long ld = columns + piece;
            ParityCheck.Data source = lab.normal(sourceDtype, n, ld);
            if (ld == columns) {
                lab.ops().pack(w, source.tensor(), cuts[piece]);
            } else {
                new OpBindings(lab.context(), lab.context().backend())
                        .pack(w, source.tensor(), sourceDtype.code(), cuts[piece], n, ld);
            }
            for (int r = 0; r < n; r++) {
                for (int c = 0; c < columns; c++) {
                    expected[(int) ((cuts[piece] + r) * columns + c)] = source.values()[(int) (r * ld + c)];
                }
            }
        }
        lab.expect("W " + rows + " x " + columns, Floats.rounded(wDtype, expected), read(lab, w),
                ParityTolerance.rounding(DType.F32));
    }

    private static Tensor read(ParityCheck lab, Weight w) {
        if (w.layout() == Weight.Layout.ROW_MAJOR) {
            return w.data().slice(0, w.rows() * w.columns());
        }
        int c = Math.toIntExact(w.columns());
        int n = Math.toIntExact(w.rows());
        float[] identity = new float[c * c];
        for (int i = 0; i < c; i++) {
            identity[i * c + i] = 1;
        }
        Tensor transposed = lab.output(DType.F32, c, n);
        lab.trusted().matmul(transposed, lab.data(w.dtype(), identity, c, c).tensor(), w);
        float[] columns = lab.floats(transposed);
        float[] rows = new float[columns.length];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < c; j++) {
                rows[i * c + j] = columns[j * n + i];
            }
        }
        return lab.data(DType.F32, rows, n, c).tensor();
    }
}
