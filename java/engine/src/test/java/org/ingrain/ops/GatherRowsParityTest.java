package org.ingrain.ops;

import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** gather_rows.cc. */
class GatherRowsParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1, 1}, {7, 9, 7}, {5, 127, 64}, {3, 4, 4099}};  // M, T, D

    @Override
    List<Check> checks() {
        return all(eachFloat("gather_rows_forward", GatherRowsParityTest::forward),
                eachFloat("gather_rows_backward", GatherRowsParityTest::backward));
    }

    private static void forward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            int[] rows = lab.randomInts(size[0], size[1]);
            ParityCheck.Data x = lab.normal(dtype, size[1], size[2]);
            Tensor y = lab.output(dtype, size[0], size[2]);
            lab.ops().gatherRows(y, x.tensor(), lab.ints(rows));
            float[] expected = lab.reference(torch -> Torch.floats(
                    torch.array(x.values(), size[1], size[2]).get(torch.indices(rows, rows.length))));
            lab.expect("y", expected, y, ParityTolerance.rounding(DType.F32));
        }
    }

    /**
     * No row is gathered more than twice. So dx is a sum of at most two terms, which is rounded to the dtype only once.
     */
    private static void backward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            int[] rows = new int[size[0]];
            for (int m = 0; m < rows.length; m++) {
                rows[m] = m == 0 ? size[1] - 1 : (m * 3 + 1) % size[1];
            }
            rows[rows.length - 1] = rows[0];
            ParityCheck.Data dy = lab.normal(dtype, size[0], size[2]);
            Tensor dx = lab.output(dtype, size[1], size[2]);
            lab.ops().gatherRowsBackward(dx, dy.tensor(), lab.ints(rows));
            float[] expected = lab.reference(torch -> {
                var x = torch.leaf(new float[size[1] * size[2]], size[1], size[2]);
                return torch.gradients(() -> x.get(torch.indices(rows, rows.length)), dy.values(), x)[0];
            });
            lab.expect("dx", expected, dx, ParityTolerance.of(dtype, 2));
        }
    }
}
