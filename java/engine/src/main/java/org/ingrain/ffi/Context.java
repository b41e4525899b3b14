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
 * A device with its stream and memory. Everything it made, events and graphs included, is freed when it closes. One
 * thread uses a context at a time.
 */
public final class Context extends Memory implements AutoCloseable {
    /** Made by a context and closed with it at the latest. */
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

    /** Of the device, among those of the backend: contexts with the same number share its memory. */
    public int deviceNumber() {
        return number;
    }

    @Override
    long handle() {
        return handle;
    }

    /** Throws what the backend says of a call where its status is not 0. */
    void check(String operation, int status) {
        runtime.check(operation, handle, status);
    }

    /** Workspace that products with such a weight and up to t rows want; {@code backward}: those of training too. */
    public long matmulWorkspaceBytes(DType weight, long rows, long columns, long t, boolean backward) {
        return runtime.matmulWorkspaceBytes(weight.code(), rows, columns, t, backward ? 1 : 0);
    }

    /** Bytes of the scratch that the ops of this context share. */
    public long workspaceBytes() {
        runtime.workspace(handle, cell.address(), cell.address() + 8);
        return cell.get(ValueLayout.JAVA_LONG, 8);
    }

    /** {@inheritDoc} Waits for them first. */
    @Override
    public void reserveWorkspace(long bytes) {
        runtime.workspaceReserve(handle, bytes);
    }

    /** If true, a row's results are bitwise independent of the other rows. On the CPU they always are. */
    public void setDeterministic(boolean deterministic) {
        this.deterministic = deterministic;
        runtime.setDeterministic(handle, deterministic ? 1 : 0);
    }

    /** Whether sums have one order, as on the CPU and wherever {@link #setDeterministic} asked for it. */
    public boolean deterministic() {
        return deterministic || !device.asynchronous();
    }

    /** Bytes of one block of one layer's cache: keys and values of blockSize tokens, K heads of E. */
    public long kvCacheBlockBytes(DType cacheDtype, long blockSize, long k, long e) {
        return runtime.kvCacheBlockBytes(cacheDtype.code(), blockSize, k, e);
    }

    /**
     * What the device is and what it fell back from so far, as the JSON object that {@code ingrain_context_describe}
     * writes.
     */
    public String describe() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment json = local.allocate(16 << 10);
            runtime.contextDescribe(handle, json.address(), json.byteSize());
            return json.getString(0);
        }
    }

    /**
     * Runs {@code body} and returns what it started on this context: a line for each kernel and each library product.
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
     * Calls so far that something slower computed than what was meant for them, by op, sizes and reason; none on the
     * CPU.
     */
    public SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>(noted);
        JsonMapper.shared().readTree(describe()).path("fallbacks").properties()
                .forEach(entry -> all.merge(entry.getKey(), entry.getValue().asLong(), Long::sum));
        return all;
    }

    /** Counts a fallback outside the ops; {@code what} states the fallback, sizes and reason. */
    public void noteFallback(String what) {
        noted.merge(what, 1L, Long::sum);
    }

    /** A mark in the stream, not yet set. */
    public Event event() {
        runtime.eventCreate(handle, cell.address());
        Event event = new Event(this, cell.get(ValueLayout.JAVA_LONG, 0));
        open.add(event);
        return event;
    }

    /** From here to {@link #endGraph} ops are recorded and, where graphs exist, not run. */
    public void beginGraph() {
        runtime.graphBegin(handle);
    }

    /**
     * What was recorded since {@link #beginGraph}; null where graphs do not exist (the CPU): the ops have run, and the
     * caller goes on calling them.
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
     * Ends a recording whose ops failed, so that the stream runs again; what goes wrong here is added to {@code cause}.
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

    /** Whether this was open; it is not closed with the context any more. */
    boolean forget(Owned owned) {
        return open.remove(owned);
    }

    /**
     * Makes this context rank {@code rank} of a communicator, which may be one that it has been in before: its
     * collectives are those of the one that it joined last.
     */
    public void join(Communicator communicator, int rank) {
        synchronize();   // outside the communicator's lock: a collective may wait for a rank that wants the lock
        communicator.whileOpen(group -> runtime.communicatorJoin(handle, group, rank));
    }

    /**
     * Frees everything this context allocated, then the context; a second call does nothing. Throws the first failure,
     * after the rest.
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

    /** Runs every one; the first failure is thrown at the end, with the later ones suppressed in it. */
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
