package org.ingrain.ffi;

/** Captured ops that can be launched repeatedly. Each launch uses the addresses and sizes of the capture. */
public final class Graph implements Context.Owned {
    private final Context context;
    private final long handle;

    Graph(Context context, long handle) {
        this.context = context;
        this.handle = handle;
    }

    /** Enqueues all captured ops. */
    public void launch() {
        context.runtime.graphLaunch(context.handle(), handle);
    }

    /** Destroys the graph. A second call, or a call after the context was closed, does nothing. */
    @Override
    public void close() {
        if (context.forget(this)) {
            context.runtime.graphDestroy(context.handle(), handle);
        }
    }
}
