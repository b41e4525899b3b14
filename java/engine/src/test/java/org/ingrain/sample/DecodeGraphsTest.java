package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DecodeGraphsTest {
    @Test
    void bucketsGrowByThirds() {
        List<Integer> buckets = IntStream.rangeClosed(1, 512).map(rows -> DecodeGraphs.bucket(rows, 512)).distinct().boxed().toList();
        assertEquals(List.of(1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512), buckets);
        for (int rows = 1; rows <= 512; rows++) {
            assertTrue(DecodeGraphs.bucket(rows, 512) >= rows);
        }
    }

    @Test
    void theLastBucketIsTheLargestBatch() {
        assertEquals(37, DecodeGraphs.bucket(33, 37));
        assertEquals(37, DecodeGraphs.bucket(37, 37));
        assertEquals(1, DecodeGraphs.bucket(1, 1));
    }
}
