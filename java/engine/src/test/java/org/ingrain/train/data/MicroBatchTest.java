package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;

public class MicroBatchTest {
    public static TrainingSequence sequence(int[] ids, int... targets) {
        BitSet mask = new BitSet();
        for (int target : targets) {
            mask.set(target);
        }
        return new TrainingSequence(ids, mask);
    }

    @Test
    void eachTargetIsPredictedByTheRowBeforeIt() {
        MicroBatch batch = MicroBatch.of(
                List.of(sequence(new int[] {5, 6, 7, 8}, 2, 3), sequence(new int[] {9, 10}, 1)));
        assertArrayEquals(new int[] {5, 6, 7, 8, 9, 10}, batch.ids());
        assertArrayEquals(new int[] {0, 1, 2, 3, 0, 1}, batch.positions());
        assertArrayEquals(new int[] {0, 4, 6}, batch.offsets());
        assertArrayEquals(new int[] {1, 2, 4}, batch.targetRows());
        assertArrayEquals(new int[] {7, 8, 10}, batch.targets());
        assertEquals(3, batch.targetCount());
    }

    @Test
    void aSequenceHasATargetAndNeverTheFirstToken() {
        assertThrows(IllegalArgumentException.class, () -> sequence(new int[] {1, 2}));
        assertThrows(IllegalArgumentException.class, () -> sequence(new int[] {1, 2}, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> sequence(new int[] {1, 2}, 2));
    }
}
