package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class PackingTest {
    @Test
    void takesTheFullestBinWithRoom() {
        // Sequences of lengths 7 and 6 open two bins of 10. Length 4 fits in neither bin and opens a third. Length 3
        // fills the bin with 7. Then both sequences of length 2 go to the bin with the sequence of length 6.
        List<int[]> bins = Packing.bestFit(new int[] {3, 7, 2, 6, 4, 2}, 10);
        assertEquals(3, bins.size());
        assertArrayEquals(new int[] {1, 0}, bins.get(0));
        assertArrayEquals(new int[] {3, 4}, bins.get(1));
        assertArrayEquals(new int[] {2, 5}, bins.get(2));
    }

    @Test
    void keepsEverySequenceOnceAndEveryBinWithinCapacity() {
        CounterRandom random = new CounterRandom(7);
        int[] lengths = new int[500];
        Arrays.setAll(lengths, i -> 1 + (int) (random.uniform(i) * 100));
        List<int[]> bins = Packing.bestFit(lengths, 100);
        BitSet seen = new BitSet();
        int total = 0;
        for (int[] bin : bins) {
            int tokens = Arrays.stream(bin).map(i -> lengths[i]).sum();
            assertTrue(tokens <= 100);
            total += tokens;
            for (int i : bin) {
                assertTrue(!seen.get(i));
                seen.set(i);
            }
        }
        assertEquals(500, seen.cardinality());
        // Best fit decreasing uses at most 11/9 of the optimal number of bins, plus one (Johnson 1973).
        assertTrue(bins.size() <= Math.ceilDiv(total, 100) * 11 / 9 + 1, bins.size() + " bins for " + total);
    }

    @Test
    void refusesWhatFitsNoBin() {
        assertThrows(IllegalArgumentException.class, () -> Packing.bestFit(new int[] {11}, 10));
    }
}
