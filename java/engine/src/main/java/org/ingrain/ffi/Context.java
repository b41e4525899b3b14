package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.json.JsonMapper;

/**
 * An opened device with its stream and memory. Closing a context frees everything that the context created, including
 * events and graphs. Not thread-safe: only one thread at a time may use a context.
 */
public final class Context extends Memory implements AutoCloseable {
    /** An object that a context creates. Closing the context closes all such objects that are still open. */
    sealed interface Owned extends AutoCloseable permits Event, Graph {
        @Override
        void close();
    }

    private final Backend backend;
    private final long handle;
    private final Device device;
    private final Set<Owned> open = new LinkedHashSet<>();
    private final Map<String, Long> noted = new HashMap<>();
    private final int number;
    private boolean deterministic;

    Context(Backend backend, ContextOptions options) {
        super(new RuntimeBindings(backend));
        this.backend = backend;
        number = options.device();
        MemorySegment error = arena().allocate(512);
        MemorySegment isa = arena().allocateFrom(options.isa());
        int status = runtime.contextCreate(cell.address(), options.device(), options.threads(), isa.address(),
                error.address(), error.byteSize());
        if (status != 0) {
            String reason = error.getString(0);
            arena().close();
            throw InputException.field("device", reason);
        }
        handle = cell.get(ValueLayout.JAVA_LONG, 0);
        device = Device.parse(describe());
    }

    @Override
    public Context context() {
        return this;
    }

    public Backend backend() {
        return backend;
    }

    public Device device() {
        return device;
    }

    /** Number of the device in the backend, from 0. Contexts with the same number share the device's memory. */
    public int deviceNumber() {
        return number;
    }

    @Override
    long handle() {
        return handle;
    }

    /** Throws a BackendException with the backend's message if the status of a call is not 0. */
    void check(String operation, int status) {
        runtime.check(operation, handle, status);
    }

    /**
     * Bytes of workspace that a matrix product of up to t rows with a weight of this type and shape needs. If
     * {@code backward} is true, the workspace is also large enough for the backward products.
     */
    public long matmulWorkspaceBytes(DType weight, long rows, long columns, long t, boolean backward) {
        return runtime.matmulWorkspaceBytes(weight.code(), rows, columns, t, backward ? 1 : 0);
    }

    /** Size in bytes of the scratch memory that the ops of this context share. */
    public long workspaceBytes() {
        runtime.workspace(handle, cell.address(), cell.address() + 8);
        return cell.get(ValueLayout.JAVA_LONG, 8);
    }

    /** {@inheritDoc} Before that, the call waits for all work in the stream. */
    @Override
    public void reserveWorkspace(long bytes) {
        runtime.workspaceReserve(handle, bytes);
    }

    /**
     * Sets whether the results of a row are bitwise independent of the other rows. On the CPU this is always the case.
     */
    public void setDeterministic(boolean deterministic) {
        this.deterministic = deterministic;
        runtime.setDeterministic(handle, deterministic ? 1 : 0);
    }

    /**
     * Whether sums have a fixed order. This is always true on the CPU; on a GPU, {@link #setDeterministic} sets this
     * value.
     */
    public boolean deterministic() {
        return deterministic || !device.asynchronous();
    }

    /**
     * Size in bytes of one block of one layer's KV cache. The block contains keys and values of {@code blockSize}
     * tokens for {@code k} heads of head_dim {@code e}.
     */
    public long kvCacheBlockBytes(DType cacheDtype, long blockSize, long k, long e) {
        return runtime.kvCacheBlockBytes(cacheDtype.code(), blockSize, k, e);
    }

    /**
     * The JSON object of {@code ingrain_context_describe}. The object describes the device and the fallbacks so far.
     */
    public String describe() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment json = local.allocate(16 << 10);
            runtime.contextDescribe(handle, json.address(), json.byteSize());
            return json.getString(0);
        }
    }

    /**
     * Runs {@code body}, which uses this context. On a GPU, returns one line for each kernel launch and for each matrix
     * product that a library computed. On the CPU, returns one line for each op.
     */
    public List<String> trace(Runnable body) {
        runtime.trace(handle, 1);
        try (Arena local = Arena.ofConfined()) {
            body.run();
            MemorySegment text = local.allocate(1 << 20);
            runtime.traceRead(handle, text.address(), text.byteSize());
            return text.getString(0).lines().toList();
        } finally {
            runtime.trace(handle, 0);
        }
    }

    /**
     * The number of calls so far for which a slower kernel replaced the intended kernel, or which ran in parts because
     * of a user's kernel. Each key states op, sizes and reason. The CPU backend itself reports no fallbacks.
     */
    public SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>(noted);
        JsonMapper.shared().readTree(describe()).path("fallbacks").properties()
                .forEach(entry -> all.merge(entry.getKey(), entry.getValue().asLong(), Long::sum));
        return all;
    }

    /** Counts a fallback that occurred outside the ops. {@code what} states the fallback, the sizes and the reason. */
    public void noteFallback(String what) {
        noted.merge(what, 1L, Long::sum);
    }

    /** Creates an event that has not been recorded yet. */
    public Event event() {
        runtime.eventCreate(handle, cell.address());
        Event event = new Event(this, cell.get(ValueLayout.JAVA_LONG, 0));
        open.add(event);
        return event;
    }

    /**
     * Starts to capture ops. The capture lasts until {@link #endGraph}. On a device with graphs, ops are recorded and
     * do not run.
     */
    public void beginGraph() {
        runtime.graphBegin(handle);
    }

    /**
     * Ends the capture. Returns the ops recorded since {@link #beginGraph}. Returns null on a device without graphs
     * (the CPU). On such a device, the ops have already run. To run them again, the caller must call them again.
     */
    public Graph endGraph() {
        runtime.graphEnd(handle, cell.address());
        long recorded = cell.get(ValueLayout.JAVA_LONG, 0);
        if (recorded == 0) {
            return null;
        }
        Graph graph = new Graph(this, recorded);
        open.add(graph);
        return graph;
    }

    /**
     * Ends a capture after an op has failed, so that the stream can run again. If ending the capture fails too, the
     * second exception is added to {@code cause} as a suppressed exception.
     */
    public void abandonGraph(RuntimeException cause) {
        try {
            Graph rest = endGraph();
            if (rest != null) {
                rest.close();
            }
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /** Stops tracking an object that is being closed. Returns false if the object was already closed. */
    boolean forget(Owned owned) {
        return open.remove(owned);
    }

    /**
     * Makes this context rank {@code rank} of a communicator. A context may join several communicators. The collectives
     * of the context use the communicator that the context joined last.
     */
    public void join(Communicator communicator, int rank) {
        synchronize();   // before the lock is acquired, because a collective may wait for a rank that needs the lock
        communicator.whileOpen(group -> runtime.communicatorJoin(handle, group, rank));
    }

    /**
     * Frees everything that this context allocated, then the context. A second call does nothing. If an object cannot
     * be freed, the remaining objects are still freed; then the first failure is thrown.
     */
    @Override
    public void close() {
        if (!arena().scope().isAlive()) {
            return;
        }
        List<Runnable> releases = new ArrayList<>();
        open.forEach(owned -> releases.add(owned::close));
        releases.addAll(releases());
        releases.add(() -> runtime.contextDestroy(handle));
        releases.add(arena()::close);
        runAll(releases);
    }

    /** Runs all actions, then throws the first failure, with later failures as suppressed exceptions. */
    private static void runAll(List<Runnable> actions) {
        RuntimeException first = null;
        for (Runnable action : actions) {
            try {
                action.run();
            } catch (RuntimeException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
