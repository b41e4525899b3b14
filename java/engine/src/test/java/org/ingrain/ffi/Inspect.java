package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Gives tests access to those parts of a context's state that no other code needs. */
public final class Inspect {
    private Inspect() {
    }

    /** The elements of an I32 tensor. */
    public static int[] ints(Context context, Tensor source) {
        if (source.dtype() != DType.I32) {
            throw new IllegalArgumentException(source + " is not I32");
        }
        try (Arena local = Arena.ofConfined()) {
            MemorySegment host = local.allocate(Math.max(source.bytes(), 8), 8);
            context.copyToHost(host, source);
            return host.asSlice(0, source.bytes()).toArray(ValueLayout.JAVA_INT);
        }
    }

    /** Bytes of device memory that a context has allocated. */
    public static long allocatedBytes(Context context) {
        return context.allocations.values().stream().mapToLong(Long::longValue).sum();
    }
}
