package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A counter counts the bytes that a context would allocate. A scope frees the memory allocated through it. */
class AllocatorTest {
    private final Backend backend = Backend.open(NativeLibraries.find("cpu"));
    private final Context context = backend.context(new ContextOptions(0, 1, "auto"));

    @AfterEach
    void close() {
        context.close();
        backend.close();
    }

    private static Tensor allocations(Allocator memory) {
        memory.allocate(DType.BF16, 5, 7);
        memory.weight(DType.F32, Weight.Layout.PACKED, 33, 65, 0);
        memory.weight(DType.F8E4M3, Weight.Layout.PACKED, 32, 64, 0);
        return memory.allocateZero(DType.F32, 3);
    }

    @Test
    void theCounterCountsWhatTheContextAllocates() {
        Allocator.Counter counter = new Allocator.Counter(context);
        Tensor unallocated = allocations(counter);
        assertEquals(0, Inspect.allocatedBytes(context));
        allocations(context);
        assertEquals(Inspect.allocatedBytes(context), counter.bytes());
        counter.initialize(unallocated, () -> fail("a counter must not request values"));
        counter.reserveWorkspace(100);
        counter.reserveWorkspace(70);
        assertEquals(Inspect.allocatedBytes(context) + 100, counter.bytes(),
                "the workspace is shared, so only the largest reservation counts");
    }

    @Test
    void aScopeFreesWhatWasAllocatedThroughIt() {
        Tensor outside = context.allocate(DType.F32, 2);
        try (Allocator.Scope scope = new Allocator.Scope(context)) {
            Tensor inside = allocations(scope);
            scope.initialize(inside, () -> new float[] {1, 2, 3});
            assertArrayEquals(new float[] {1, 2, 3}, context.readFloats(inside));
        }
        assertEquals(outside.bytes(), Inspect.allocatedBytes(context));
    }
}
