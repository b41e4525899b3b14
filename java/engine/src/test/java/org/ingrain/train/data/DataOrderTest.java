package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DataOrderTest {
    private static List<TrainingSequence> sequences(int n) {
        return IntStream.range(0, n).mapToObj(i -> MicroBatchTest.sequence(
                IntStream.range(0, 2 + i % 3).map(j -> i).toArray(), 1)).toList();
    }

    private static DataOrder order(int n, int packTo, int batch, int accumulation, long seed) {
        return new DataOrder(sequences(n), packTo, new TrainConfig(3, 0, batch, accumulation, seed, 0, 0, 2, false));
    }

    /** The first token of each sequence of an epoch, in order. */
    private static List<Integer> epoch(DataOrder order, int epoch) {
        List<Integer> seen = new ArrayList<>();
        for (int step = epoch * order.stepsPerEpoch() + 1; step <= (epoch + 1) * order.stepsPerEpoch(); step++) {
            for (MicroBatch batch : order.step(step)) {
                for (int s = 0; s < batch.sequences(); s++) {
                    seen.add(batch.ids()[batch.offsets()[s]]);
                }
            }
        }
        return seen;
    }

    @Test
    void everyEpochSeesEverySequenceOnceInAnOrderOfItsOwn() {
        for (int packTo : new int[] {0, 7}) {
            DataOrder order = order(23, packTo, 2, 3, 11);
            assertEquals(3 * order.stepsPerEpoch(), order.steps());
            List<Integer> first = epoch(order, 0);
            List<Integer> second = epoch(order, 1);
            assertNotEquals(first, second);
            assertNotEquals(first, epoch(order(23, packTo, 2, 3, 12), 0), "another seed");
            assertEquals(first, epoch(order(23, packTo, 2, 3, 11), 0), "the same seed");
            Collections.sort(first);
            assertEquals(IntStream.range(0, 23).boxed().toList(), first);
        }
    }

    @Test
    void aStepHasGradientAccumulationBatchesOfBatchSize() {
        DataOrder order = order(23, 0, 2, 3, 11);
        assertEquals(4, order.stepsPerEpoch());
        assertArrayEquals(new int[] {2, 2, 2}, order.step(1).stream().mapToInt(MicroBatch::sequences).toArray());
        assertArrayEquals(new int[] {2, 2, 1}, order.step(4).stream().mapToInt(MicroBatch::sequences).toArray());
    }

    @Test
    void limitsHoldForEveryBatch() {
        DataOrder order = order(50, 9, 3, 2, 5);
        for (int step = 1; step <= order.steps(); step++) {
            order.step(step).forEach(order.limits()::require);
        }
        order.inOrder().forEach(order.limits()::require);
        assertEquals(27, order.limits().tokens());
    }

    @Test
    void permutationsArePermutations() {
        int[] order = new CounterRandom(3).permutation(1000);
        int[] sorted = order.clone();
        Arrays.sort(sorted);
        assertArrayEquals(IntStream.range(0, 1000).toArray(), sorted);
        long fixed = IntStream.range(0, 1000).filter(i -> order[i] == i).count();
        assertTrue(fixed < 10, fixed + " fixed points");
    }

    @Test
    void uniformNumbersAreUniform() {
        CounterRandom random = new CounterRandom(1).derive(4, 2);
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < 100_000; i++) {
            double u = random.uniform(i);
            assertTrue(u >= 0 && u < 1);
            sum += u;
            squares += u * u;
        }
        // The standard errors of the two means are 0.0009 and 0.00094.
        assertEquals(0.5, sum / 100_000, 0.004);
        assertEquals(1 / 3.0, squares / 100_000, 0.004);
        assertNotEquals(new CounterRandom(1).derive(4, 2).bits(0), new CounterRandom(1).derive(2, 4).bits(0));
    }
}
