package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.ingrain.ops.FusedOps;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Tests pinned memory, events, graphs and workspace of a context, and the functions for kernels of other libraries. */
class RuntimeTest {
    private final Backend backend = Backend.open(NativeLibraries.find("cpu"));
    private final Context context = backend.context(new ContextOptions(0, 2, "auto"));

    @AfterEach
    void close() {
        context.close();
        backend.close();
    }

    @Test
    void pinnedMemoryGoesToTheDeviceAndBack() {
        MemorySegment there = context.hostAllocate(12);
        MemorySegment back = context.hostAllocate(16);
        MemorySegment.copy(new int[] {7, -8, 9}, 0, there, ValueLayout.JAVA_INT, 0, 3);
        Tensor tensor = context.allocate(DType.I32, 3);
        context.copyToDevice(tensor, there);
        context.copyToHostAsync(back, tensor);
        try (Event copied = context.event()) {
            copied.record();
            copied.await();
            MemorySegment done = context.cell;
            context.runtime.eventQuery(context.handle(), copied.handle(), done.address());
            assertEquals(1, done.get(ValueLayout.JAVA_INT, 0));
        }
        assertArrayEquals(new int[] {7, -8, 9}, back.asSlice(0, 12).toArray(ValueLayout.JAVA_INT));
        assertThrows(IndexOutOfBoundsException.class, () -> context.copyToHostAsync(there.asSlice(0, 8), tensor));
        context.hostFree(there);
        assertThrows(IllegalArgumentException.class, () -> context.hostFree(there));
        assertEquals(12, Inspect.allocatedBytes(context), "pinned memory is not device memory");
        context.close();
        assertThrows(IllegalStateException.class, () -> back.get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void eventsTakeTheTime() {
        try (Event start = context.event(); Event end = context.event()) {
            start.record();
            assertThrows(BackendException.class, () -> end.millisecondsSince(start),
                    "an event that was never recorded");
            Tensor y = context.allocate(DType.F32, 1 << 16);
            new Ops(context).randomNormal(y, 1, 3);
            end.record();
            assertTrue(end.millisecondsSince(start) > 0);
            assertTrue(start.millisecondsSince(end) < 0);
        }
        Event closed = context.event();
        closed.close();
        assertFalse(context.forget(closed), "a context must not keep a closed event");
        closed.close();
    }

    @Test
    void withoutGraphsTheOpsHaveRun() {
        assertFalse(context.device().graphs());
        Tensor ids = context.allocate(DType.I32, 2);
        Tensor given = context.allocate(DType.I32, 2);
        Tensor source = context.allocate(DType.I32, 2);
        context.write(given, 5, 6);
        context.write(source, -1, 0);
        context.beginGraph();
        new Ops(context).selectIds(ids, given, source, given);
        assertNull(context.endGraph());
        assertArrayEquals(new int[] {5, 5}, Inspect.ints(context, ids));
    }

    @Test
    void theCpuIsAlwaysDeterministic() {
        context.setDeterministic(true);
        context.setDeterministic(false);
        assertTrue(context.deterministic());
    }

    /** The workspace that a product uses grows with its rows, up to 16 MiB. A new CPU context has no workspace. */
    @Test
    void theWorkspaceGrowsAsReserved() {
        assertEquals(512 * 1026 * 4, context.matmulWorkspaceBytes(DType.F32, 300, 1025, 512, false));
        assertEquals(512 * 4096 * 4, context.matmulWorkspaceBytes(DType.F32, 4096, 1025, 512, true));
        assertEquals(16 << 20, context.matmulWorkspaceBytes(DType.BF16, 4096, 32000, 1L << 40, true));
        assertEquals(0, context.workspaceBytes());
        context.reserveWorkspace(1 << 20);
        context.reserveWorkspace(1 << 10);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cells = arena.allocate(16, 8);
            context.runtime.workspace(context.handle(), cells.address(), cells.address() + 8);
            assertEquals(1 << 20, cells.get(ValueLayout.JAVA_LONG, 8));
            assertEquals(0, cells.get(ValueLayout.JAVA_LONG, 0) % 256);
        }
    }

    @Test
    void aForeignKernelSaysWhatIsWrong() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom("my_kernel: head_dim is 96: expected 64");
            context.runtime.setError(context.handle(), text.address());
        }
        var failure = assertThrows(BackendException.class, () -> context.check("my_op", 3));
        assertEquals("my_op: my_kernel: head_dim is 96: expected 64", failure.getMessage());
    }

    /**
     * Counts how often each item of a parallel_for was visited. {@code wrong} counts the pieces that are empty, are
     * shorter than min(grain, n), or do not receive the caller's state.
     */
    private record Visits(AtomicIntegerArray counts, long grain, AtomicIntegerArray wrong) {
        void piece(long state, long begin, long end) {
            for (long i = begin; i < end; i++) {
                counts.incrementAndGet((int) i);
            }
            if (state != 0x5a5a || end <= begin || end - begin < Math.min(grain, counts.length())) {
                wrong.incrementAndGet(0);
            }
        }
    }

    @Test
    void aForeignKernelRunsOnTheContextsThreads() throws Throwable {
        for (int n : new int[] {0, 1, 100, 4099}) {
            Visits visits = new Visits(new AtomicIntegerArray(n), 64, new AtomicIntegerArray(1));
            try (Arena arena = Arena.ofShared()) {
                MethodHandle piece = MethodHandles.lookup()
                        .bind(visits, "piece", MethodType.methodType(void.class, long.class, long.class, long.class));
                MemorySegment body = Linker.nativeLinker().upcallStub(piece,
                        FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG),
                        arena);
                context.runtime.parallelFor(context.handle(), n, 64, body.address(), 0x5a5a);
                var failure = assertThrows(BackendException.class,
                        () -> context.runtime.parallelFor(context.handle(), n, 0, body.address(), 0x5a5a));
                assertTrue(failure.getMessage().contains("grain is 0"), failure.getMessage());
            }
            for (int i = 0; i < n; i++) {
                assertEquals(1, visits.counts().get(i), "visits of item " + i + " of " + n);
            }
            assertEquals(0, visits.wrong().get(0), "pieces that are empty or too short, or that have another state");
        }
    }

    /**
     * The CPU backend computes the sizes of fp8 weights and caches. But it refuses every op on such a weight or cache
     * with a one-line message that the op is not supported.
     */
    @Test
    void eightBitFloatsAreOfGpus() {
        Ops ops = new Ops(context);
        Allocator.Counter counter = new Allocator.Counter(context);
        counter.weight(DType.F8E4M3, Weight.Layout.PACKED, 33, 33, 0);
        assertEquals(48 * 33 + 33 * Float.BYTES, counter.bytes(),
                "one byte per element, with rows padded to a multiple of 16, and one f32 scale per row");
        Weight w = context.weight(DType.F8E4M3, Weight.Layout.PACKED, 32, 64, 0);
        assertEquals(32 * 64 + 32 * Float.BYTES, Inspect.allocatedBytes(context));
        Tensor x = context.allocateZero(DType.F32, 2, 64);
        Tensor y = context.allocateZero(DType.F32, 2, 32);
        Tensor ids = context.allocateZero(DType.I32, 2);
        refused(() -> ops.pack(w, context.allocateZero(DType.F32, 32, 64), 0));
        refused(() -> ops.matmul(y, x, w));
        refused(() -> ops.matmul(y, x, w, 1));
        refused(() -> ops.fused().matmulSiluMul(y.view(2, 16), y, x, w));
        var rows = new FusedOps.Normed(x, x, x.rows(0, 1).view(64), 1e-5f);
        refused(() -> ops.fused().normMatmul(y, rows, w));
        refused(() -> ops.fused().normMatmulSiluMul(y.view(4, 16).rows(0, 2), y, rows, w));
        refused(() -> ops.matmulBackward(x, y, w, 0));
        refused(() -> ops.embedding(x, ids, w));
        refused(() -> ops.randomNormal(w.data(), 1, 1));
        var heads = new Ops.Heads(1, 1, 32, 1);
        Batch batch = context.batch(2, 1, 1, 16);
        batch.use(2, 1, false);
        Tensor qkv = context.allocateZero(DType.F32, 2, 96);
        Tensor cache = context.allocateZero(DType.F8E4M3, 1, context.kvCacheBlockBytes(DType.F8E4M3, 16, 1, 32));
        refused(() -> ops.kvCacheWrite(cache, qkv, batch, heads));
        refused(() -> ops.fused().ropeCache(qkv, cache, context.allocateZero(DType.F32, 1, 32), batch, heads));
        refused(() -> ops.attentionPaged(y, qkv, cache, batch, heads));
        context.free(w);
        assertThrows(IllegalArgumentException.class, () -> context.free(w.scales()));
    }

    private static void refused(Executable op) {
        BackendException refusal = assertThrows(BackendException.class, op);
        assertEquals(3, refusal.status(), "INGRAIN_UNSUPPORTED");
        assertTrue(refusal.getMessage().contains("dtype 5"), refusal.getMessage());
        assertFalse(refusal.getMessage().contains("\n"), refusal.getMessage());
    }
}
