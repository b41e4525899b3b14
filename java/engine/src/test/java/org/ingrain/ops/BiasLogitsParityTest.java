package org.ingrain.ops;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** bias_logits.cc. */
class BiasLogitsParityTest extends ParityTest {
    private static final int[][] SIZES = {{1, 1, 1}, {7, 127, 33}, {127, 7, 600}, {3, 32003, 257}};  // M, V, n

    @Override
    List<Check> checks() {
        return List.of(new Check("bias_logits", "finite", lab -> bias(lab, 0)),
                new Check("bias_logits", "some -inf", lab -> bias(lab, 3)));
    }

    /**
     * Adds random values to distinct elements in random order. Every {@code ban}-th value is -inf. If {@code ban} is 0,
     * no value is -inf.
     */
    private static void bias(ParityCheck lab, int ban) {
        for (int[] size : SIZES) {
            int v = size[1];
            int n = size[2];
            ParityCheck.Data logits = lab.normal(3, DType.F32, size[0], v);
            List<Integer> elements = new ArrayList<>(IntStream.range(0, size[0] * v).boxed().toList());
            Collections.shuffle(elements, lab.random());
            float[] values = new float[n];
            float[] expected = logits.values().clone();
            for (int i = 0; i < n; i++) {
                values[i] = ban > 0 && i % ban == 0 ? Float.NEGATIVE_INFINITY
                        : (float) (50 * lab.random().nextGaussian());
                expected[elements.get(i)] += values[i];
            }
            Tensor rows = lab.ints(elements.stream().limit(n).mapToInt(element -> element / v).toArray());
            Tensor ids = lab.ints(elements.stream().limit(n).mapToInt(element -> element % v).toArray());
            lab.ops().biasLogits(logits.tensor(), rows, ids, lab.data(DType.F32, values, n).tensor());
            lab.expect("logits", expected, logits.tensor(), ParityTolerance.rounding(DType.F32));
        }
    }
}
