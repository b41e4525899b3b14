package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** A mark in a context's stream: set when all that was enqueued before it has run. It may be recorded again; the last time counts. */
public final class Event implements AutoCloseable {
    private static final MethodHandle PP = Signature.handle("ipp");
    private static final MethodHandle PPP = Signature.handle("ippp");
    private static final MethodHandle PPPP = Signature.handle("ipppp");

    private final Context context;
    private final long handle;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment cell = arena.allocate(ValueLayout.JAVA_INT);
    private final MemorySegment record;
    private final MemorySegment query;
    private final MemorySegment wait;

    Event(Context context, long handle) {
        this.context = context;
        this.handle = handle;
        record = context.backend().runtime("event_record");
        query = context.backend().runtime("event_query");
        wait = context.backend().runtime("event_wait");
    }

    /** Enqueues the mark. */
    public void record() {
        context.call("event_record", () -> (int) PP.invokeExact(record, context.handle(), handle));
    }

    /** Whether the mark is set; does not wait. */
    public boolean query() {
        context.call("event_query", () -> (int) PPP.invokeExact(query, context.handle(), handle, cell.address()));
        return cell.get(ValueLayout.JAVA_INT, 0) != 0;
    }

    /** Waits until the mark is set. */
    public void await() {
        context.call("event_wait", () -> (int) PP.invokeExact(wait, context.handle(), handle));
    }

    /** Milliseconds on the device from another mark to this one, both set. */
    public float millisecondsSince(Event start) {
        MemorySegment elapsed = context.backend().runtime("event_elapsed");
        context.call("event_elapsed", () -> (int) PPPP.invokeExact(elapsed, context.handle(), cell.address(), start.handle, handle));
        return cell.get(ValueLayout.JAVA_FLOAT, 0);
    }

    /** A second call does nothing; the context must still be open at the first. */
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        MemorySegment destroy = context.backend().runtime("event_destroy");
        context.call("event_destroy", () -> (int) PP.invokeExact(destroy, context.handle(), handle));
        arena.close();
    }
}
