package org.ingrain.kit;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * Checks that a process finds the cuBLASLt of a Python wheel by the library's name. Dry runs of benchmarks/gpu/call run
 * this test in a process that they start.
 */
class FindsCublasLt {
    @Test
    void inAWheel() throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            var version = SymbolLookup.libraryLookup("libcublasLt.so.13", arena).findOrThrow("cublasLtGetVersion");
            long found = (long) Linker.nativeLinker().downcallHandle(
                    version, FunctionDescriptor.of(ValueLayout.JAVA_LONG)).invokeExact();
            assertTrue(found >= 120_000, () -> "version " + found);
            String loaded = Files.readString(Path.of("/proc/self/maps"));
            assertTrue(loaded.contains("/wheel/nvidia/cu13/lib/libcublasLt.so.13"), loaded);
        }
    }
}
