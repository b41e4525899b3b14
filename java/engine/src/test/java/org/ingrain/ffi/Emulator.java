package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Configures the emulated GPU (cuda/simt) for tests. A setting applies to the whole process. */
public final class Emulator {
    private Emulator() {
    }

    /**
     * Sets two sizes in bytes: the size of a device's memory, including kernels and graphs, and the size of a block's
     * shared memory. A value of 0 does not change the size.
     */
    public static void configure(long memory, int shared) {
        call("libsimt.so", "simt_configure", handle -> { handle.invokeExact(memory, shared); }, ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT);
    }

    /** Sets the number of multiprocessors that every device reports. */
    public static void setMultiprocessors(int count) {
        call("libsimt.so", "simt_set_multiprocessors", handle -> { handle.invokeExact(count); },
                ValueLayout.JAVA_INT);
    }

    /** Sets the compute capability that every device reports, for example 90 for sm_90. */
    public static void setCapability(int capability) {
        call("libsimt.so", "simt_set_capability", handle -> { handle.invokeExact(capability); },
                ValueLayout.JAVA_INT);
    }

    /** Sets whether kernels are loaded early (CUDA_MODULE_LOADING=EAGER), so that no launch waits for the device. */
    public static void loadEagerly(boolean whether) {
        call("libsimt.so", "simt_load_eagerly", handle -> { handle.invokeExact(whether ? 1 : 0); },
                ValueLayout.JAVA_INT);
    }

    /** Sets whether a device can access the memory of another device. */
    public static void setPeers(boolean whether) {
        call("libsimt.so", "simt_set_peers", handle -> { handle.invokeExact(whether ? 1 : 0); },
                ValueLayout.JAVA_INT);
    }

    /** Makes the device fail until all contexts on it are closed. */
    public static void lose(int device) {
        call("libsimt.so", "simt_lose", handle -> { handle.invokeExact(device); }, ValueLayout.JAVA_INT);
    }

    /** Sets the calls that the emulated NCCL refuses. The values of {@code what} are defined in cuda/simt/nccl. */
    public static void refuseNccl(int what) {
        call("libnccl_emulated.so", "emulated_nccl_script", handle -> { handle.invokeExact(what); },
                ValueLayout.JAVA_INT);
    }

    /**
     * Sets the products that the emulated cuBLASLt refuses, and the call in which it refuses them. {@code what} and
     * {@code where} are values of the enums What and Where in cuda/simt/cublas_lt.
     *
     * @param rows products with at most this many rows are refused; 0: all products are refused
     */
    public static void refuse(int what, int where, long rows) {
        call("libcublasLt_emulated.so", "emulated_cublas_lt_script",
                handle -> { handle.invokeExact(what, where, rows); }, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG);
    }

    /** Invokes a handle. */
    private interface Call {
        void on(MethodHandle handle) throws Throwable;
    }

    private static void call(String file, String name, Call call, MemoryLayout... arguments) {
        try {
            // The global arena keeps the library loaded, so that the settings are not lost.
            var library = SymbolLookup.libraryLookup(NativeLibraries.find("simt").resolveSibling(file), Arena.global());
            call.on(Linker.nativeLinker().downcallHandle(
                    library.findOrThrow(name), FunctionDescriptor.ofVoid(arguments)));
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
