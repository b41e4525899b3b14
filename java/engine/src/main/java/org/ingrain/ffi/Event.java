package org.ingrain.ffi;

import java.lang.foreign.ValueLayout;

/**
 * An event in a context's stream. It completes when everything enqueued before {@link #record} has run. It can be
 * recorded again; the last recording counts.
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

    /** Enqueues the event. */
    public void record() {
        context.runtime.eventRecord(context.handle(), handle);
    }

    /** Blocks the host until the event has completed. */
    public void await() {
        context.runtime.eventWait(context.handle(), handle);
    }

    /** Milliseconds on the device between two completed events. */
    public float millisecondsSince(Event start) {
        context.runtime.eventElapsed(context.handle(), context.cell.address(), start.handle, handle);
        return context.cell.get(ValueLayout.JAVA_FLOAT, 0);
    }

    /** A second call, or a call after the context has closed, does nothing. */
    @Override
    public void close() {
        if (context.forget(this)) {
            context.runtime.eventDestroy(context.handle(), handle);
        }
    }
}
