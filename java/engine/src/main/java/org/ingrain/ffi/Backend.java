package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/**
 * A shared library that exports the operations of {@code ingrain.h}. Opening one is the whole plug-in system; any number of
 * backends live side by side. A library that lacks a symbol, or exports one of another signature, is refused when the symbol is
 * bound, before its first call.
 */
public final class Backend implements AutoCloseable {
    private static final int ABI_VERSION = 1;
    private static final MethodHandle VERSION = Signature.handle("i");
    private static final MethodHandle DEVICE_COUNT = Signature.handle("ip");

    private final Path library;
    private final Arena arena = Arena.ofShared();
    private final SymbolLookup lookup;

    private Backend(Path library) {
        this.library = library;
        try {
            lookup = SymbolLookup.libraryLookup(library, arena);
        } catch (IllegalArgumentException e) {
            throw new InputException(library + ": cannot be loaded as a shared library", e);
        }
        int version = Native.status(() -> (int) VERSION.invokeExact(runtime("abi_version")));
        if (version != ABI_VERSION) {
            throw new InputException(library + ": ABI version " + version + ", expected " + ABI_VERSION);
        }
    }

    /** Loads a backend library; an InputException names the file where that fails. */
    public static Backend open(Path library) {
        if (!Files.isRegularFile(library)) {
            throw new InputException(library + ": no such backend library");
        }
        return new Backend(library.toAbsolutePath());
    }

    /** Opens device {@code options.device()} of this backend. */
    public Context context(ContextOptions options) {
        return new Context(this, options);
    }

    /** Devices this backend can open. */
    public int deviceCount() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment count = local.allocate(ValueLayout.JAVA_INT);
            Native.check("device_count", "the backend cannot count its devices",
                    Native.status(() -> (int) DEVICE_COUNT.invokeExact(runtime("device_count"), count.address())));
            return count.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** The file this backend came from. */
    public Path library() {
        return library;
    }

    /** The address of a runtime function, which has no signature tag. */
    MemorySegment runtime(String name) {
        return lookup.find("ingrain_" + name)
                .orElseThrow(() -> new InputException(library + ": exports no symbol ingrain_" + name));
    }

    /** The address of an op, after its signature tag was compared with what this build calls. */
    MemorySegment op(String name, String letters) {
        MemorySegment symbol = runtime(name);
        String found = lookup.find("ingrain_signature_" + name)
                .orElseThrow(() -> new InputException(library + ": exports ingrain_" + name
                        + " without its signature tag (INGRAIN_EXPORT_OP)"))
                .reinterpret(64).getString(0);
        if (!found.equals(letters)) {
            throw new InputException(library + ": ingrain_" + name + " has signature " + found + ", expected " + letters);
        }
        return symbol;
    }

    /** Unloads the library; every context of it must be closed before. A second call does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
