package org.ingrain.sample.step;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Emulator;
import org.ingrain.ffi.Inspect;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.sample.step.DecodeGraphs.Key;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.Test;

class DecodeGraphsTest {
    @Test
    void bucketsGrowByThirds() {
        List<Integer> buckets = IntStream.rangeClosed(1, 512).map(rows -> DecodeGraphs.bucket(rows, 512)).distinct()
                .boxed().toList();
        assertEquals(List.of(1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512),
                buckets);
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

    @Test
    void anOpThatFailsWhileItIsCapturedLeavesNoCapture() {
        try (Backend backend = simt(); Context context = backend.context(new ContextOptions(0, 0, "auto"))) {
            DecodeGraphs graphs = new DecodeGraphs(context);
            Key key = new Key(1, false);
            Tensor x = context.allocateZero(DType.I32, 3);
            graphs.run(key, () -> context.fillZero(x));
            IllegalStateException refusal = new IllegalStateException("an op refuses");
            assertSame(refusal, assertThrows(IllegalStateException.class, () -> graphs.run(key, () -> {
                context.fillZero(x);
                throw refusal;
            })));
            context.write(x, 1, 2, 3);
            assertArrayEquals(new int[] {1, 2, 3}, Inspect.ints(context, x), "copies run again");
            graphs.run(key, () -> context.fillZero(x));
            assertArrayEquals(new int[3], Inspect.ints(context, x));
            assertEquals(1, graphs.captures());
        }
    }

    @Test
    void aGraphThatThereIsNoMemoryForRunsOpByOp() {
        try (Backend backend = simt(); Context context = backend.context(new ContextOptions(0, 0, "auto"))) {
            DecodeGraphs graphs = new DecodeGraphs(context);
            Tensor x = context.allocate(DType.I32, 3);
            int[] runs = {0};
            Emulator.configure(1, 0);
            try {
                for (int i = 0; i < 4; i++) {
                    graphs.run(new Key(1, false), () -> {
                        runs[0]++;
                        context.fillZero(x);
                    });
                }
            } finally {
                Emulator.configure(1L << 40, 0);
            }
            assertArrayEquals(new int[3], Inspect.ints(context, x));
            assertEquals(4, graphs.eager());
            assertEquals(Map.of("decode step of 1 rows: the device cannot create a graph, so the ops run one by one",
                    3L), context.fallbacks());
            assertEquals(0, graphs.captures());
            assertEquals(5, runs[0], "the second run was captured first, and the graph could not be made");
        }
    }

    private static Backend simt() {
        try {
            return Backend.open(NativeLibraries.find("simt"));
        } catch (InputException e) {
            System.out.println("Skipped: " + e.getMessage());
            return abort(e.getMessage());
        }
    }
}
