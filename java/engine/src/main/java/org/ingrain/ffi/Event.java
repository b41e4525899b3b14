package org.ingrain.ffi;

import java.lang.foreign.ValueLayout;

/**
 * An event in a context's stream. An event is complete when all work that was enqueued before the call of {@link
 * #record} has run. If an event is recorded several times, the last recording applies.
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

    /** Enqueues the event in the stream. */
    public void record() {
        context.runtime.eventRecord(context.handle(), handle);
    }

    /** Blocks the host until the event is complete. */
    public void await() {
        context.runtime.eventWait(context.handle(), handle);
    }

    /** Milliseconds on the device between event {@code start} and this event. Both events must be complete. */
    public float millisecondsSince(Event start) {
        context.runtime.eventElapsed(context.handle(), context.cell.address(), start.handle, handle);
        return context.cell.get(ValueLayout.JAVA_FLOAT, 0);
    }

    /** Destroys the event. A second call, or a call after the context was closed, does nothing. */
    @Override
    public void close() {
        if (context.forget(this)) {
            context.runtime.eventDestroy(context.handle(), handle);
        }
    }
}
