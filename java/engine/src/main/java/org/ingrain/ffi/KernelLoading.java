package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * When a GPU's driver loads kernels. By default it loads one at its first launch, and may wait for all work on the
 * device then: so for the kernel of another rank on it, which waits for this one.
 */
public final class KernelLoading {
    private static final MethodHandle SETENV = Linker.nativeLinker().downcallHandle(
            Linker.nativeLinker().defaultLookup().findOrThrow("setenv"), FunctionDescriptor.of(ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    private KernelLoading() {
    }

    /**
     * Has the driver load all kernels of a library together with it (CUDA_MODULE_LOADING, CUDA's programming guide,
     * "lazy loading"). The driver reads this when the process makes its first context: call it before.
     */
    public static void eagerly() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment name = local.allocateFrom("CUDA_MODULE_LOADING");
            MemorySegment value = local.allocateFrom("EAGER");
            Native.status(() -> (int) SETENV.invokeExact(name.address(), value.address(), 1));
        }
    }
}
