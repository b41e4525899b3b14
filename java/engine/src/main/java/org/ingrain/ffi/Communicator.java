package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.function.LongToIntFunction;

/** The meeting place of the ranks of one model: each rank is a thread with its own context. */
public final class Communicator implements AutoCloseable {
    private static final MethodHandle CREATE = Signature.handle("ipi");
    private static final MethodHandle DESTROY = Signature.handle("ip");

    private final Backend backend;
    private final long handle;
    private final int ranks;
    private boolean closed;

    public Communicator(Backend backend, int ranks) {
        this.backend = backend;
        this.ranks = ranks;
        MemorySegment create = backend.runtime("communicator_create");
        try (Arena local = Arena.ofConfined()) {
            MemorySegment cell = local.allocate(ValueLayout.JAVA_LONG);
            Native.check("communicator_create", "no communicator of " + ranks + " ranks",
                    Native.status(() -> (int) CREATE.invokeExact(create, cell.address(), ranks)));
            handle = cell.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    public int ranks() {
        return ranks;
    }

    /** Calls with the native communicator, which cannot be closed meanwhile. */
    synchronized int whileOpen(LongToIntFunction call) {
        if (closed) {
            throw new IllegalStateException("the communicator is closed: another rank may have failed");
        }
        return call.applyAsInt(handle);
    }

    /** Ends the communicator: ranks that wait in it, now or later, return with an error. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        MemorySegment destroy = backend.runtime("communicator_destroy");
        Native.check("communicator_destroy", "the communicator cannot be destroyed", Native.status(() -> (int) DESTROY.invokeExact(destroy, handle)));
    }
}
