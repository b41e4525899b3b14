package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToIntBiFunction;
import java.util.stream.Collectors;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/**
 * A shared library that exports the operations of {@code ingrain.h}. Several backends can be open at the same time.
 * Other libraries can replace some ops of a backend ({@link Overlay}). Symbols are bound before they are called.
 * Binding throws an InputException if a symbol is missing or has another signature.
 */
public final class Backend implements AutoCloseable {
    private static final int ABI_VERSION = 3;
    private static final MethodHandle VERSION = Signature.handle("i");

    private final Arena arena = Arena.ofShared();
    private final Exports own;
    private final Map<String, Exports> overlaid;

    /** A loaded library, and the file that is named in messages about the library. */
    private record Exports(Path source, SymbolLookup symbols) {
        static Exports load(Path library, Path source, Arena arena) {
            return new Exports(source, SharedObject.load(library, source, arena));
        }

        /**
         * Returns a copy that does not find the symbols of {@code other}. An overlay needs this, because a lookup in a
         * library also searches the libraries to which it is linked. An overlay is linked to its backend, so a lookup
         * in the overlay would find all ops of the backend.
         */
        Exports without(Exports other) {
            return new Exports(source, name -> symbols.find(name)
                    .filter(found -> !Optional.of(found).equals(other.symbols.find(name))));
        }

        boolean has(String name) {
            return symbols.find("ingrain_" + name).isPresent();
        }

        MemorySegment find(String name) {
            return symbols.find("ingrain_" + name).orElseThrow(
                    () -> new InputException(source + ": exports no symbol ingrain_" + name));
        }

        MemorySegment op(String name, String letters) {
            MemorySegment symbol = find(name);
            String found = symbols.find("ingrain_signature_" + name)
                    .orElseThrow(() -> new InputException(source + ": exports ingrain_" + name
                            + " without its signature tag (INGRAIN_EXPORT_OP)"))
                    .reinterpret(64).getString(0);
            if (!found.equals(letters)) {
                throw new InputException(source + ": ingrain_" + name + " has signature " + found + ", expected "
                        + letters);
            }
            return symbol;
        }
    }

    private Backend(Path library, List<Overlay> overlays) {
        try {
            own = Exports.load(library, library, arena);
            int version = Native.status(() -> (int) VERSION.invokeExact(runtime("abi_version")));
            if (version != ABI_VERSION) {
                throw new InputException(library + ": ABI version " + version + ", expected " + ABI_VERSION);
            }
            overlaid = overlaid(overlays);   // after the backend, because overlays refer to its symbols
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private Map<String, Exports> overlaid(List<Overlay> overlays) {
        Map<String, Exports> all = new TreeMap<>();
        for (Overlay overlay : overlays) {
            Exports exports = Exports.load(overlay.library(), overlay.source(), arena).without(own);
            List<String> found = overlay.ops().stream().filter(exports::has).toList();
            if (found.isEmpty()) {
                throw new InputException(overlay.source() + ": exports none of "
                        + overlay.ops().stream().map(op -> "ingrain_" + op).collect(Collectors.joining(", ")));
            }
            for (String op : found) {
                Exports other = all.put(op, exports);
                if (other != null) {
                    throw InputException.field("kernels", op + " is given twice, by " + other.source() + " and "
                            + overlay.source());
                }
            }
        }
        return all;
    }

    /**
     * Loads a backend library.
     *
     * @throws InputException if loading fails; the message names the file
     */
    public static Backend open(Path library) {
        return open(library, List.of());
    }

    /**
     * Loads a backend library and the libraries that replace some of its ops.
     *
     * @throws InputException if loading fails; the message names the file
     */
    public static Backend open(Path library, List<Overlay> overlays) {
        if (!Files.isRegularFile(library)) {
            throw new InputException(library + ": no such backend library");
        }
        return new Backend(library.toAbsolutePath(), overlays);
    }

    /** Opens a context on device {@code options.device()} of this backend. */
    public Context context(ContextOptions options) {
        if (library().getFileName().toString().startsWith("libingrain_cuda")) {
            CudaLibrary.CUBLASLT.find();
            CudaLibrary.NCCL.find();
        }
        return new Context(this, options);
    }

    /** Number of devices that this backend can open. */
    public int deviceCount() {
        return number("device_count", "cannot count the devices of the backend", RuntimeBindings::deviceCount);
    }

    /**
     * Whether kernels on a device can access the memory of the device {@code peer} directly. A device can access its
     * own memory.
     *
     * @throws BackendException if the backend does not have both devices
     */
    public boolean canAccessPeer(int device, int peer) {
        return number("can_access_peer", "no devices " + device + " and " + peer,
                (runtime, can) -> runtime.canAccessPeer(can, device, peer)) != 0;
    }

    /** Calls a function that writes a number to the given address and returns a status. Returns the number. */
    private int number(String function, String failure, ToIntBiFunction<RuntimeBindings, Long> call) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment number = local.allocate(ValueLayout.JAVA_INT);
            Native.check(function, failure, call.applyAsInt(new RuntimeBindings(this), number.address()));
            return number.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** The file from which this backend was loaded. */
    public Path library() {
        return own.source();
    }

    /** Maps the name of each op that an overlay replaces to the file of the overlay, as the user named it. */
    public SortedMap<String, Path> overlaid() {
        SortedMap<String, Path> files = new TreeMap<>();
        overlaid.forEach((op, exports) -> files.put(op, exports.source()));
        return files;
    }

    /** The address of a function that is not an op. Only ops have signature tags (see ingrain.h). */
    MemorySegment runtime(String name) {
        return own.find(name);
    }

    /**
     * The address of an op.
     *
     * @throws InputException if the op or its signature tag is missing, or if the tag differs from {@code letters}
     */
    MemorySegment op(String name, String letters) {
        return overlaid.getOrDefault(name, own).op(name, letters);
    }

    /** Unloads the library. All of its contexts must have been closed. A second call does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
