package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests the plan that attention over the cache computes once per step. */
class PagedPlanTest {
    private static final Heads HEADS = new Heads(32, 1, 64, 0.125f);
    private static final int SEQUENCES = 1024;

    static List<TestTarget> gpus() {
        return TestTarget.available().stream().filter(TestTarget::gpu).toList();
    }

    /**
     * Each sequence has one token at position 0, but according to the batch the group shares 1,024 blocks. The items of
     * 1,024 blocks would not fit into the plan. All rows are equal and see one key, so each result is the value of
     * this key.
     */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("gpus")
    void aPrefixLongerThanTheSequencesWritesNoItemBehindThePlan(TestTarget target) {
        try (ParityCheck lab = target.open()) {
            Batch batch = lab.context().batch(SEQUENCES, SEQUENCES, 1, 32);
            batch.planIn(lab.output(DType.I32, Batch.planElements(SEQUENCES)));
            int[] numbers = IntStream.range(0, SEQUENCES + 1).toArray();
            int[] shared = new int[SEQUENCES];
            Arrays.fill(shared, 1024);
            lab.context().write(batch.sequenceOffsets(), numbers);
            lab.context().write(batch.positions(), new int[SEQUENCES]);
            lab.context().write(batch.blockTables(), new int[SEQUENCES]);
            lab.context().write(batch.prefixGroups(), new int[SEQUENCES]);
            lab.context().write(batch.prefixBlocks(), shared);
            batch.use(SEQUENCES, SEQUENCES, false);
            int columns = Math.toIntExact(HEADS.columns());
            float[] row = lab.normal(DType.BF16, 1, columns).values();
            float[] rows = new float[SEQUENCES * columns];
            for (int s = 0; s < SEQUENCES; s++) {
                System.arraycopy(row, 0, rows, s * columns, columns);
            }
            Tensor qkv = lab.data(DType.BF16, rows, SEQUENCES, columns).tensor();
            Tensor cache = lab.output(DType.BF16, 1,
                    lab.context().kvCacheBlockBytes(DType.BF16, 32, HEADS.k(), HEADS.e()) / DType.BF16.bytes());
            Tensor y = lab.output(DType.BF16, SEQUENCES, HEADS.h() * HEADS.e());
            lab.ops().kvCacheWrite(cache, qkv, batch, HEADS);
            lab.ops().attentionPaged(y, qkv, cache, batch, HEADS);
            float[] found = lab.floats(y);
            int e = Math.toIntExact(HEADS.e());
            for (int i = 0; i < found.length; i++) {
                assertEquals(row[columns - e + i % e], found[i], "element " + i);
            }
            lab.assertGuards();
        }
    }
}
