package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicBoolean;

/** The meeting place of the ranks of one model: each rank is a thread with its own context. */
public final class Communicator implements AutoCloseable {
    private static final MethodHandle CREATE = Signature.handle("ipi");
    private static final MethodHandle DESTROY = Signature.handle("ip");

    private final Backend backend;
    private final long handle;
    private final int ranks;
    private final AtomicBoolean closed = new AtomicBoolean();

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

    long handle() {
        return handle;
    }

    /** Ends the communicator: ranks that wait in it, now or later, return with an error. */
    @Override
    public void close() {
        if (closed.getAndSet(true)) {
            return;
        }
        MemorySegment destroy = backend.runtime("communicator_destroy");
        Native.check("communicator_destroy", "the communicator cannot be destroyed", Native.status(() -> (int) DESTROY.invokeExact(destroy, handle)));
    }
}
