package org.ingrain.ffi;

/** Ops recorded once and enqueued together as often as wanted, with the addresses and sizes they were recorded with. */
public final class Graph implements Context.Owned {
    private final Context context;
    private final long handle;

    Graph(Context context, long handle) {
        this.context = context;
        this.handle = handle;
    }

    /** Enqueues everything recorded. */
    public void launch() {
        context.runtime.graphLaunch(context.handle(), handle);
    }

    /** A second call does nothing; the context must still be open at the first. */
    @Override
    public void close() {
        if (context.forget(this)) {
            context.runtime.graphDestroy(context.handle(), handle);
        }
    }
}
