package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/**
 * Loads a shared library and resolves all of its symbols at once (RTLD_NOW). Loading therefore fails if a symbol cannot
 * be resolved. With lazy binding, the first call of an unresolved symbol would end the process.
 */
final class SharedObject {
    private static final int NOW = 2;   // RTLD_NOW of <dlfcn.h>
    private static final MethodHandle OPEN = handle(
            "dlopen", FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    private static final MethodHandle CLOSE = handle(
            "dlclose", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
    private static final MethodHandle ERROR = handle("dlerror", FunctionDescriptor.of(ValueLayout.JAVA_LONG));

    private SharedObject() {
    }

    private static MethodHandle handle(String name, FunctionDescriptor type) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
    }

    /**
     * Loads a library, which stays loaded until the process ends.
     *
     * @param name a file, or a name that the dynamic loader searches for
     * @return the reason why the library cannot be loaded; empty on success
     */
    static String keep(String name) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment path = local.allocateFrom(name);
            return Native.size(() -> (long) OPEN.invokeExact(path.address(), NOW)) == 0 ? reason() : "";
        }
    }

    private static String reason() {
        long reason = Native.size(() -> (long) ERROR.invokeExact());
        return MemorySegment.ofAddress(reason).reinterpret(4096).getString(0);
    }

    /**
     * Loads a library, which stays loaded until the arena is closed. Returns its symbols.
     *
     * @param source the file that error messages name
     * @throws InputException if the library cannot be loaded
     */
    static SymbolLookup load(Path library, Path source, Arena arena) {
        ElfFile.requireWhole(library, source);
        try (Arena local = Arena.ofConfined()) {
            MemorySegment path = local.allocateFrom(library.toString());
            long loaded = Native.size(() -> (long) OPEN.invokeExact(path.address(), NOW));
            if (loaded == 0) {
                throw new InputException(source + ": cannot be loaded as a shared library: "
                        + reason().replaceFirst("^\\Q" + library + "\\E: ", ""));
            }
            SymbolLookup symbols = SymbolLookup.libraryLookup(library, arena);
            Native.status(() -> (int) CLOSE.invokeExact(loaded));
            return symbols;
        }
    }
}
