package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** What tests tell the emulated GPU (cuda/simt) to be like; it holds for the whole process. */
public final class Emulator {
    private Emulator() {
    }

    /**
     * Bytes of a device's memory, kernels and graphs included, and of a block's shared memory; 0 leaves one as it is.
     */
    public static void configure(long memory, int shared) {
        call("libsimt.so", "simt_configure", handle -> { handle.invokeExact(memory, shared); }, ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT);
    }

    /** Whether kernels are loaded without waiting for the device, as with CUDA_MODULE_LOADING=EAGER. */
    public static void loadEagerly(boolean whether) {
        call("libsimt.so", "simt_load_eagerly", handle -> { handle.invokeExact(whether ? 1 : 0); },
                ValueLayout.JAVA_INT);
    }

    /**
     * Tells its cuBLASLt which products to refuse; the numbers are those of What and Where in cuda/simt/cublas_lt.
     *
     * @param rows only products of at most this many rows; 0 for no limit
     */
    public static void refuse(int what, int where, long rows) {
        call("libcublasLt_emulated.so", "emulated_cublas_lt_script",
                handle -> { handle.invokeExact(what, where, rows); }, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG);
    }

    /** A call of a handle. */
    private interface Call {
        void on(MethodHandle handle) throws Throwable;
    }

    private static void call(String file, String name, Call call, MemoryLayout... arguments) {
        try {
            // unloaded, it would forget
            var library = SymbolLookup.libraryLookup(NativeLibraries.find("simt").resolveSibling(file), Arena.global());
            call.on(Linker.nativeLinker().downcallHandle(
                    library.findOrThrow(name), FunctionDescriptor.ofVoid(arguments)));
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
