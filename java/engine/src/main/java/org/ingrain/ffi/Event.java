package org.ingrain.ffi;

import java.lang.foreign.ValueLayout;

/**
 * A mark in a context's stream: set when all that was enqueued before it has run. It may be recorded again; the last
 * time counts.
 */
public final class Event implements Context.Owned {
    private final Context context;
    private final long handle;

    Event(Context context, long handle) {
        this.context = context;
        this.handle = handle;
    }

    /** Address of the native event. */
    long handle() {
        return handle;
    }

    /** Enqueues the mark. */
    public void record() {
        context.runtime.eventRecord(context.handle(), handle);
    }

    /** Waits until the mark is set. */
    public void await() {
        context.runtime.eventWait(context.handle(), handle);
    }

    /** Milliseconds on the device from another mark to this one, both set. */
    public float millisecondsSince(Event start) {
        context.runtime.eventElapsed(context.handle(), context.cell.address(), start.handle, handle);
        return context.cell.get(ValueLayout.JAVA_FLOAT, 0);
    }

    /** A second call does nothing; the context must still be open at the first. */
    @Override
    public void close() {
        if (context.forget(this)) {
            context.runtime.eventDestroy(context.handle(), handle);
        }
    }
}
