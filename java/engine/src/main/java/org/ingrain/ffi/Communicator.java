package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.function.LongConsumer;

/** Connects the ranks of one model for collectives. Each rank is a thread with its own context. */
public final class Communicator implements AutoCloseable {
    private final RuntimeBindings runtime;
    private final long handle;
    private final int ranks;
    private boolean closed;

    public Communicator(Backend backend, int ranks) {
        runtime = new RuntimeBindings(backend);
        this.ranks = ranks;
        try (Arena local = Arena.ofConfined()) {
            MemorySegment cell = local.allocate(ValueLayout.JAVA_LONG);
            Native.check("communicator_create", "cannot create a communicator of " + ranks + " ranks",
                    runtime.communicatorCreate(cell.address(), ranks));
            handle = cell.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /**
     * Sets how long a rank waits for another rank in a collective. When the time has passed, the collective fails on
     * all ranks.
     */
    public void setLimit(Duration limit) {
        float seconds = limit.toMillis() / 1000f;
        whileOpen(group -> Native.check("communicator_set_limit", "a limit of " + seconds + " s, expected more than 0",
                runtime.communicatorSetLimit(group, seconds)));
    }

    public int ranks() {
        return ranks;
    }

    /** Passes the native communicator to {@code call}. {@link #close} waits until the call has returned. */
    synchronized void whileOpen(LongConsumer call) {
        if (closed) {
            throw new IllegalStateException("the communicator is closed: another rank may have failed");
        }
        call.accept(handle);
    }

    /**
     * Destroys the communicator. Collectives that are waiting at that time return an error, and so do later
     * collectives.
     */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            Native.check("communicator_destroy", "cannot destroy the communicator",
                    runtime.communicatorDestroy(handle));
        }
    }
}
