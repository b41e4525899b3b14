package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** embedding.cc. */
class EmbeddingParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1, 1}, {7, 5, 7}, {127, 33, 64}, {3, 200, 4099}};  // T, V, D

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>(eachFloat("embedding_backward", EmbeddingParityTest::backward));
        for (Weight.Layout layout : Weight.Layout.values()) {
            for (DType table : FLOATS) {
                for (DType y : FLOATS) {
                    checks.add(new Check("embedding_forward", table + " " + layout + " to " + y,
                            lab -> forward(lab, layout, table, y)));
                }
            }
        }
        return checks;
    }

    private static void forward(ParityCheck lab, Weight.Layout layout, DType tableDtype, DType yDtype) {
        for (int[] size : SIZES) {
            int[] ids = lab.randomInts(size[0], size[1]);
            ids[0] = size[1] - 1;
            ParityCheck.Data table = lab.normal(tableDtype, size[1], size[2]);
            Tensor y = lab.output(yDtype, size[0], size[2]);
            lab.ops().embedding(y, lab.ints(ids), lab.weight(table, layout, 0));
            float[] rows = lab.reference(torch -> Torch.floats(
                    torch.array(table.values(), size[1], size[2]).get(torch.indices(ids, ids.length))));
            lab.expect("y", rows, y, ParityTolerance.rounding(yDtype));
        }
    }

    private static void backward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            int[] ids = lab.randomInts(size[0], size[1]);
            ParityCheck.Data dtable = lab.normal(DType.F32, size[1], size[2]);
            ParityCheck.Data dy = lab.normal(dtype, size[0], size[2]);
            lab.ops().embeddingBackward(dtable.tensor(), dy.tensor(), lab.ints(ids));
            float[] gradient = lab.reference(torch -> {
                var table = torch.leaf(new float[size[1] * size[2]], size[1], size[2]);
                return torch.gradients(() -> table.get(torch.indices(ids, ids.length)), dy.values(), table)[0];
            });
            lab.expect("dtable", Floats.sum(dtable.values(), gradient), dtable.tensor(),
                    ParityTolerance.of(DType.F32, size[0]));
        }
    }
}
