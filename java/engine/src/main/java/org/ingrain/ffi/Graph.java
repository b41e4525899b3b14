package org.ingrain.ffi;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Ops recorded once and enqueued together as often as wanted, with the addresses and sizes they were recorded with. */
public final class Graph implements AutoCloseable {
    private static final MethodHandle PP = Signature.handle("ipp");

    private final Context context;
    private final long handle;
    private final MemorySegment launch;
    private boolean closed;

    Graph(Context context, long handle) {
        this.context = context;
        this.handle = handle;
        launch = context.backend().runtime("graph_launch");
    }

    /** Enqueues everything recorded. */
    public void launch() {
        context.call("graph_launch", () -> (int) PP.invokeExact(launch, context.handle(), handle));
    }

    /** A second call does nothing; the context must still be open at the first. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        MemorySegment destroy = context.backend().runtime("graph_destroy");
        context.call("graph_destroy", () -> (int) PP.invokeExact(destroy, context.handle(), handle));
    }
}
