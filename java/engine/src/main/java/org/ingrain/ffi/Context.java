package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A device with its stream: allocates, copies, waits. Everything it made, events and graphs included, is freed when it closes. One thread
 * uses a context at a time.
 */
public final class Context implements Allocator, AutoCloseable {
    private static final MethodHandle CREATE = Signature.handle("ipiippl");
    private static final MethodHandle P = Signature.handle("ip");
    private static final MethodHandle PP = Signature.handle("ipp");
    private static final MethodHandle PPL = Signature.handle("ippl");
    private static final MethodHandle PPP = Signature.handle("ippp");
    private static final MethodHandle PPPL = Signature.handle("ipppl");
    private static final MethodHandle PI = Signature.handle("ipi");
    private static final MethodHandle PL = Signature.handle("ipl");
    private static final MethodHandle PPI = Signature.handle("ippi");
    private static final MethodHandle LAST_ERROR = Signature.handle("pp");
    private static final MethodHandle WEIGHT_BYTES = Signature.handle("liill");
    private static final MethodHandle MATMUL_WORKSPACE_BYTES = Signature.handle("lillli");
    private static final MethodHandle KV_CACHE_BLOCK_BYTES = Signature.handle("lilll");

    private final Backend backend;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment cell = arena.allocate(16, 8);
    private final Map<Long, Long> allocations = new HashMap<>();
    private final Set<Long> hostAllocations = new HashSet<>();
    private final List<Runnable> made = new ArrayList<>();
    private final Map<String, Long> noted = new HashMap<>();
    private final long handle;

    private final MemorySegment malloc;
    private final MemorySegment free;
    private final MemorySegment copyToDevice;
    private final MemorySegment copyToHost;
    private final MemorySegment copy;
    private final MemorySegment fillZero;
    private final MemorySegment synchronize;
    private final MemorySegment lastError;
    private final MemorySegment weightBytes;

    Context(Backend backend, ContextOptions options) {
        this.backend = backend;
        malloc = backend.runtime("malloc");
        free = backend.runtime("free");
        copyToDevice = backend.runtime("copy_to_device");
        copyToHost = backend.runtime("copy_to_host");
        copy = backend.runtime("copy");
        fillZero = backend.runtime("fill_zero");
        synchronize = backend.runtime("synchronize");
        lastError = backend.runtime("last_error");
        weightBytes = backend.runtime("weight_bytes");
        MemorySegment create = backend.runtime("context_create");
        MemorySegment error = arena.allocate(512);
        MemorySegment isa = arena.allocateFrom(options.isa());
        int status = Native.status(() -> (int) CREATE.invokeExact(create, cell.address(), options.device(), options.threads(), isa.address(),
                error.address(), error.byteSize()));
        if (status != 0) {
            String reason = error.getString(0);
            arena.close();
            throw InputException.field("device", reason);
        }
        handle = cell.get(ValueLayout.JAVA_LONG, 0);
    }

    public Backend backend() {
        return backend;
    }

    /** The native context; for {@code ffi} alone. */
    long handle() {
        return handle;
    }

    /** Text of the last failed call. */
    String lastError() {
        long text = Native.size(() -> (long) LAST_ERROR.invokeExact(lastError, handle));
        return MemorySegment.ofAddress(text).reinterpret(4096).getString(0);
    }

    /** A downcall on this context, and its failure in the backend's words. */
    void call(String operation, Native.Call call) {
        check(operation, Native.status(call));
    }

    private void check(String operation, int status) {
        if (status != 0) {
            Native.check(operation, lastError(), status);
        }
    }

    @Override
    public Context context() {
        return this;
    }

    /** Memory that lives as long as this context; for {@code ffi} alone. */
    Arena arena() {
        return arena;
    }

    @Override
    public Tensor allocate(DType dtype, long... shape) {
        Tensor size = new Tensor(0, dtype, shape);
        return new Tensor(allocateBytes(size.bytes()), dtype, shape);
    }

    @Override
    public Tensor allocateZero(DType dtype, long... shape) {
        Tensor tensor = allocate(dtype, shape);
        fillZero(tensor);
        return tensor;
    }

    @Override
    public void initialize(Tensor tensor, Supplier<float[]> values) {
        write(tensor, values.get());
    }

    /** Bytes of a weight's data, without the scales of an F8E4M3 weight. */
    long weightBytes(DType dtype, Weight.Layout layout, long rows, long columns) {
        return Native.size(() -> (long) WEIGHT_BYTES.invokeExact(weightBytes, dtype.code(), layout.ordinal(), rows, columns));
    }

    /** Workspace that products with such a weight and up to t rows want; {@code backward}: those of training too. */
    public long matmulWorkspaceBytes(DType weight, long rows, long columns, long t, boolean backward) {
        MemorySegment function = backend.runtime("matmul_workspace_bytes");
        return Native.size(() -> (long) MATMUL_WORKSPACE_BYTES.invokeExact(function, weight.code(), rows, columns, t, backward ? 1 : 0));
    }

    /** Bytes of the scratch that the ops of this context share. */
    public long workspaceBytes() {
        MemorySegment function = backend.runtime("workspace");
        call("workspace", () -> (int) PPP.invokeExact(function, handle, cell.address(), cell.address() + 8));
        return cell.get(ValueLayout.JAVA_LONG, 8);
    }

    /** {@inheritDoc} Waits for them first. */
    @Override
    public void reserveWorkspace(long bytes) {
        MemorySegment function = backend.runtime("workspace_reserve");
        call("workspace_reserve", () -> (int) PL.invokeExact(function, handle, bytes));
    }

    /** With true a row's results do not depend, to the bit, on the rows beside it; on the CPU they never do. */
    public void setDeterministic(boolean deterministic) {
        MemorySegment function = backend.runtime("set_deterministic");
        call("set_deterministic", () -> (int) PI.invokeExact(function, handle, deterministic ? 1 : 0));
    }

    /** Bytes of one block of one layer's cache: keys and values of blockSize tokens, K heads of E. */
    public long kvCacheBlockBytes(DType cacheDtype, long blockSize, long k, long e) {
        MemorySegment function = backend.runtime("kv_cache_block_bytes");
        return Native.size(() -> (long) KV_CACHE_BLOCK_BYTES.invokeExact(function, cacheDtype.code(), blockSize, k, e));
    }

    /** A batch descriptor without arrays, until {@link Batch#lay}. */
    public Batch batch(long maxBlocks, long blockSize) {
        return new Batch(arena, maxBlocks, blockSize);
    }

    /** A batch descriptor with its device arrays. */
    public Batch batch(long maxTokens, long maxSequences, long maxBlocks, long blockSize) {
        Batch batch = batch(maxBlocks, blockSize);
        batch.lay(allocateZero(DType.I32, Batch.elements(maxTokens, maxSequences, maxBlocks)), maxTokens, maxSequences);
        return batch;
    }

    private long allocateBytes(long bytes) {
        call("malloc", () -> (int) PPL.invokeExact(malloc, handle, cell.address(), Math.max(bytes, 1)));
        long address = cell.get(ValueLayout.JAVA_LONG, 0);
        allocations.put(address, bytes);
        return address;
    }

    /** Frees what {@link #allocate} or {@link #weight} returned (not a slice of it). */
    public void free(Tensor tensor) {
        if (allocations.remove(tensor.address()) == null) {
            throw new IllegalArgumentException(tensor + " is not an allocation of this context");
        }
        release(tensor.address());
    }

    /** Frees a weight's data and scales. */
    public void free(Weight weight) {
        free(weight.data());
        if (weight.scales() != null) {
            free(weight.scales());
        }
    }

    /** {@inheritDoc} Valid until {@link #hostFree} or {@link #close}. */
    @Override
    public MemorySegment hostAllocate(long bytes) {
        MemorySegment function = backend.runtime("host_malloc");
        call("host_malloc", () -> (int) PPL.invokeExact(function, handle, cell.address(), Math.max(bytes, 1)));
        long address = cell.get(ValueLayout.JAVA_LONG, 0);
        hostAllocations.add(address);
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, null);
    }

    /** Frees what {@link #hostAllocate} returned. */
    public void hostFree(MemorySegment host) {
        if (!hostAllocations.remove(host.address())) {
            throw new IllegalArgumentException(host + " is not host memory of this context");
        }
        releaseHost(host.address());
    }

    private void releaseHost(long address) {
        MemorySegment function = backend.runtime("host_free");
        call("host_free", () -> (int) PP.invokeExact(function, handle, address));
    }

    private void release(long address) {
        call("free", () -> (int) PP.invokeExact(free, handle, address));
    }

    /** Bytes allocated at present. */
    public long allocatedBytes() {
        return allocations.values().stream().mapToLong(Long::longValue).sum();
    }

    public void fillZero(Tensor tensor) {
        call("fill_zero", () -> (int) PPL.invokeExact(fillZero, handle, tensor.address(), tensor.bytes()));
    }

    /** Copies between tensors of one context with equal byte counts. */
    public void copy(Tensor destination, Tensor source) {
        requireBytes(source.bytes(), destination);
        call("copy", () -> (int) PPPL.invokeExact(copy, handle, destination.address(), source.address(), source.bytes()));
    }

    /** Copies native host memory into the start of a tensor; the host memory may be reused after {@link #synchronize}. */
    public void copyToDevice(Tensor destination, MemorySegment host) {
        if (host.byteSize() > destination.bytes()) {
            throw new IndexOutOfBoundsException(host.byteSize() + " bytes into " + destination);
        }
        check("copy_to_device", Native.status(() ->
                (int) PPPL.invokeExact(copyToDevice, handle, destination.address(), host.address(), host.byteSize())));
    }

    /** Copies a tensor into native host memory of its size and waits for it. */
    public void copyToHost(MemorySegment host, Tensor source) {
        copyToHostAsync(host, source);
        synchronize();
    }

    /** Enqueues a copy of a tensor into the start of native host memory, which is pinned or else waited for at once. */
    public void copyToHostAsync(MemorySegment host, Tensor source) {
        if (source.bytes() > host.byteSize()) {
            throw new IndexOutOfBoundsException(source + " into " + host.byteSize() + " bytes");
        }
        call("copy_to_host", () -> (int) PPPL.invokeExact(copyToHost, handle, host.address(), source.address(), source.bytes()));
    }

    /** Writes the first n values of an I32 tensor; the array is free again at the return. */
    public void write(Tensor destination, int[] values, int n) {
        requireType(destination, DType.I32);
        writeSegment(destination, MemorySegment.ofArray(values), (long) n * Integer.BYTES);
    }

    public void write(Tensor destination, int... values) {
        write(destination, values, values.length);
    }

    /** Writes an I64 tensor. */
    public void write(Tensor destination, long[] values) {
        requireType(destination, DType.I64);
        writeSegment(destination, MemorySegment.ofArray(values), (long) values.length * Long.BYTES);
    }

    /** Writes an F32 tensor. */
    public void write(Tensor destination, float... values) {
        requireType(destination, DType.F32);
        writeSegment(destination, MemorySegment.ofArray(values), (long) values.length * Float.BYTES);
    }

    private void writeSegment(Tensor destination, MemorySegment values, long bytes) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment host = local.allocate(Math.max(bytes, 8), 8).asSlice(0, bytes);
            MemorySegment.copy(values, 0, host, 0, bytes);
            copyToDevice(destination, host);
            synchronize();   // a device may read memory that is not pinned after the call
        }
    }

    /** The elements of an F32 tensor. */
    public float[] readFloats(Tensor source) {
        requireType(source, DType.F32);
        float[] values = new float[Math.toIntExact(source.elements())];
        read(source, MemorySegment.ofArray(values));
        return values;
    }

    /** The elements of an I32 tensor. */
    public int[] readInts(Tensor source) {
        requireType(source, DType.I32);
        int[] values = new int[Math.toIntExact(source.elements())];
        read(source, MemorySegment.ofArray(values));
        return values;
    }

    private void read(Tensor source, MemorySegment values) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment host = local.allocate(Math.max(source.bytes(), 8), 8);
            copyToHost(host, source);
            MemorySegment.copy(host, 0, values, 0, source.bytes());
        }
    }

    /** Waits until everything enqueued has run. */
    public void synchronize() {
        call("synchronize", () -> (int) P.invokeExact(synchronize, handle));
    }

    /** Bytes free and in all on the device. */
    public MemoryInfo memoryInfo() {
        MemorySegment function = backend.runtime("memory_info");
        call("memory_info", () -> (int) PPP.invokeExact(function, handle, cell.address(), cell.address() + 8));
        return new MemoryInfo(cell.get(ValueLayout.JAVA_LONG, 0), cell.get(ValueLayout.JAVA_LONG, 8));
    }

    /**
     * Memory of a device, in bytes.
     *
     * @param free  available to this process now
     * @param total of the device
     */
    public record MemoryInfo(long free, long total) {
    }

    /** What the device is, as the JSON object that {@code ingrain_context_describe} writes. */
    public String describe() {
        MemorySegment function = backend.runtime("context_describe");
        try (Arena local = Arena.ofConfined()) {
            MemorySegment json = local.allocate(16 << 10);
            call("context_describe", () -> (int) PPL.invokeExact(function, handle, json.address(), json.byteSize()));
            return json.getString(0);
        }
    }

    private JsonNode described(String field) {
        return JsonMapper.shared().readTree(describe()).path(field);
    }

    /** Whether ops can be recorded as graphs, and run while the host goes on. */
    public boolean graphs() {
        return described("graphs").asBoolean(false);
    }

    /** Calls so far that something slower computed than what was meant for them, by op, sizes and reason; none on the CPU. */
    public SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>(noted);
        described("fallbacks").properties().forEach(entry -> all.merge(entry.getKey(), entry.getValue().asLong(), Long::sum));
        return all;
    }

    /** Counts a fallback that is not an op's: what, sizes and reason. */
    public void noteFallback(String what) {
        noted.merge(what, 1L, Long::sum);
    }

    /** Bytes of the device's memory that its driver may take while ops run, for kernels' code and graphs; 0 on the CPU. */
    public long driverBytes() {
        return described("driver_bytes").asLong(0);
    }

    /** A mark in the stream, not yet set. */
    public Event event() {
        MemorySegment function = backend.runtime("event_create");
        call("event_create", () -> (int) PP.invokeExact(function, handle, cell.address()));
        Event event = new Event(this, cell.get(ValueLayout.JAVA_LONG, 0));
        made.add(event::close);
        return event;
    }

    /** From here to {@link #endGraph} ops are recorded and, where graphs exist, not run. */
    public void beginGraph() {
        MemorySegment function = backend.runtime("graph_begin");
        call("graph_begin", () -> (int) P.invokeExact(function, handle));
    }

    /** What was recorded since {@link #beginGraph}; null where graphs do not exist (the CPU): the ops have run, and the caller goes on calling them. */
    public Graph endGraph() {
        MemorySegment function = backend.runtime("graph_end");
        call("graph_end", () -> (int) PP.invokeExact(function, handle, cell.address()));
        long graph = cell.get(ValueLayout.JAVA_LONG, 0);
        if (graph == 0) {
            return null;
        }
        Graph recorded = new Graph(this, graph);
        made.add(recorded::close);
        return recorded;
    }

    /** Ends a recording whose ops failed, so that the stream runs again; what goes wrong here is added to {@code cause}. */
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

    /** Makes this context rank {@code rank} of a communicator. */
    public void join(Communicator communicator, int rank) {
        MemorySegment function = backend.runtime("communicator_join");
        check("communicator_join", communicator.whileOpen(group ->
                Native.status(() -> (int) PPI.invokeExact(function, handle, group, rank))));
    }

    /** Frees everything this context allocated, then the context; a second call does nothing. Throws the first failure, after the rest. */
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        MemorySegment destroy = backend.runtime("context_destroy");
        List<Runnable> releases = new ArrayList<>(made);
        allocations.keySet().forEach(address -> releases.add(() -> release(address)));
        hostAllocations.forEach(address -> releases.add(() -> releaseHost(address)));
        releases.add(() -> Native.check("context_destroy", "the context cannot be destroyed",
                Native.status(() -> (int) P.invokeExact(destroy, handle))));
        releases.add(arena::close);
        made.clear();
        allocations.clear();
        hostAllocations.clear();
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

    private static void requireBytes(long bytes, Tensor tensor) {
        if (tensor.bytes() != bytes) {
            throw new IllegalArgumentException(tensor + " has " + tensor.bytes() + " bytes, not " + bytes);
        }
    }

    private static void requireType(Tensor tensor, DType dtype) {
        if (tensor.dtype() != dtype) {
            throw new IllegalArgumentException(tensor + " is not " + dtype);
        }
    }
}
