package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Controls when a GPU's driver loads kernels. By default the driver loads a kernel at the kernel's first launch. Before
 * loading, the driver may wait for all work on the device. This causes a deadlock if a kernel of another rank on the
 * same device waits for this rank.
 */
public final class KernelLoading {
    private static final MethodHandle SETENV = Linker.nativeLinker().downcallHandle(
            Linker.nativeLinker().defaultLookup().findOrThrow("setenv"), FunctionDescriptor.of(ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    private KernelLoading() {
    }

    /**
     * Makes the driver load all kernels of a library together with the library, by setting CUDA_MODULE_LOADING=EAGER
     * (CUDA programming guide, "lazy loading"). Must be called before the process creates its first context, because
     * the driver reads the setting at that time.
     */
    public static void eagerly() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment name = local.allocateFrom("CUDA_MODULE_LOADING");
            MemorySegment value = local.allocateFrom("EAGER");
            Native.status(() -> (int) SETENV.invokeExact(name.address(), value.address(), 1));
        }
    }
}
