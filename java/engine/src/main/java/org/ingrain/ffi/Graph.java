package org.ingrain.ffi;

/** Ops captured once, which can be launched repeatedly with the captured addresses and sizes. */
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

    /** A second call, or a call after the context has closed, does nothing. */
    @Override
    public void close() {
        if (context.forget(this)) {
            context.runtime.graphDestroy(context.handle(), handle);
        }
    }
}
