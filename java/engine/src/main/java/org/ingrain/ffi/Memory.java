package org.ingrain.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The memory of a context. The methods allocate, free and copy device memory and pinned host memory. Closing the
 * context frees all allocations that have not been freed.
 */
public abstract sealed class Memory implements Allocator permits Context {
    final RuntimeBindings runtime;
    private final Arena arena = Arena.ofShared();
    /** Receives up to two 64-bit results of a native call. */
    final MemorySegment cell = arena.allocate(16, 8);
    /** Size in bytes of each device allocation, by address. */
    final Map<Long, Long> allocations = new HashMap<>();
    private final Set<Long> hostAllocations = new HashSet<>();

    Memory(RuntimeBindings runtime) {
        this.runtime = runtime;
    }

    /** Address of the native context; only for {@code ffi}. */
    abstract long handle();

    /** Arena that is closed with the context; only for {@code ffi}. */
    Arena arena() {
        return arena;
    }

    @Override
    public Tensor allocate(DType dtype, long... shape) {
        return new Tensor(allocateBytes(Tensor.unallocated(dtype, shape).bytes()), dtype, shape);
    }

    @Override
    public Tensor allocateZero(DType dtype, long... shape) {
        Tensor tensor = allocate(dtype, shape);
        fillZero(tensor);
        return tensor;
    }

    @Override
    public Tensor allocateShared(DType dtype, long... shape) {
        Tensor tensor = allocate(dtype, shape);
        share(tensor);
        return tensor;
    }

    /**
     * Registers an allocation with the communicator that this context joined last. The collectives of this communicator
     * then read and write the allocation without copying it. The call is itself a collective: every rank must make it.
     */
    public void share(Tensor tensor) {
        if (!allocations.containsKey(tensor.address())) {
            throw new IllegalArgumentException(tensor + " is not an allocation of this context");
        }
        runtime.communicatorRegister(handle(), tensor.address(), tensor.bytes());
    }

    @Override
    public void initialize(Tensor tensor, Supplier<float[]> values) {
        write(tensor, values.get());
    }

    /** Size in bytes of a weight's data. The scales of an F8E4M3 weight are not included. */
    public long weightBytes(Weight.Format format, long rows, long columns) {
        return runtime.weightBytes(format.dtype().code(), format.layout().ordinal(), rows, columns, format.group(),
                format.zeros() ? 1 : 0);
    }

    /** Creates a batch descriptor without arrays. {@link Batch#lay} places the arrays in memory. */
    public Batch batch(long maxBlocks, long blockSize) {
        return new Batch(arena, maxBlocks, blockSize);
    }

    /** Creates a batch descriptor and allocates its device arrays. */
    public Batch batch(long maxTokens, long maxSequences, long maxBlocks, long blockSize) {
        Batch batch = batch(maxBlocks, blockSize);
        batch.lay(allocateZero(DType.I32, Batch.elements(maxTokens, maxSequences, maxBlocks)), maxTokens, maxSequences);
        return batch;
    }

    private long allocateBytes(long bytes) {
        runtime.malloc(handle(), cell.address(), Math.max(bytes, 1));
        long address = cell.get(ValueLayout.JAVA_LONG, 0);
        allocations.put(address, bytes);
        return address;
    }

    /** Frees a tensor that {@link #allocate} returned. A slice of a tensor cannot be freed. */
    public void free(Tensor tensor) {
        if (allocations.remove(tensor.address()) == null) {
            throw new IllegalArgumentException(tensor + " is not an allocation of this context");
        }
        runtime.free(handle(), tensor.address());
    }

    /** Frees a weight's data and scales. */
    public void free(Weight weight) {
        free(weight.data());
        if (weight.scales() != null) {
            free(weight.scales());
        }
    }

    /** {@inheritDoc} The memory is valid until {@link #hostFree} or until the context is closed. */
    @Override
    public MemorySegment hostAllocate(long bytes) {
        runtime.hostMalloc(handle(), cell.address(), Math.max(bytes, 1));
        long address = cell.get(ValueLayout.JAVA_LONG, 0);
        hostAllocations.add(address);
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, null);
    }

    /**
     * Returns an F32 tensor in memory from {@link #hostAllocate}. The device must compute in host memory, so it must
     * not be asynchronous.
     */
    public Tensor hostTensor(MemorySegment host) {
        if (context().device().asynchronous()) {
            throw new IllegalStateException("the device does not compute in host memory");
        }
        return new Tensor(host.address(), DType.F32, host.byteSize() / Float.BYTES);
    }

    /** Frees memory that {@link #hostAllocate} returned. */
    public void hostFree(MemorySegment host) {
        if (!hostAllocations.remove(host.address())) {
            throw new IllegalArgumentException(host + " is not host memory of this context");
        }
        runtime.hostFree(handle(), host.address());
    }

    /** Returns actions that free all remaining allocations. This object then no longer tracks these allocations. */
    List<Runnable> releases() {
        List<Runnable> releases = new ArrayList<>();
        allocations.keySet().forEach(address -> releases.add(() -> runtime.free(handle(), address)));
        hostAllocations.forEach(address -> releases.add(() -> runtime.hostFree(handle(), address)));
        allocations.clear();
        hostAllocations.clear();
        return releases;
    }

    public void fillZero(Tensor tensor) {
        runtime.fillZero(handle(), tensor.address(), tensor.bytes());
    }

    /** Enqueues a copy between two tensors of this context, which must have the same size in bytes. */
    public void copy(Tensor destination, Tensor source) {
        if (destination.bytes() != source.bytes()) {
            throw new IllegalArgumentException(destination + " has " + destination.bytes() + " bytes, expected "
                    + source.bytes());
        }
        runtime.copy(handle(), destination.address(), source.address(), source.bytes());
    }

    /**
     * Enqueues a copy of native host memory to the start of a tensor. The host memory must not change before the copy
     * has run. The copy has run when {@link #synchronize} returns.
     */
    public void copyToDevice(Tensor destination, MemorySegment host) {
        if (host.byteSize() > destination.bytes()) {
            throw new IndexOutOfBoundsException(host.byteSize() + " bytes do not fit in " + destination);
        }
        runtime.copyToDevice(handle(), destination.address(), host.address(), host.byteSize());
    }

    /** Copies a tensor to the start of a native host segment and waits for the copy. */
    public void copyToHost(MemorySegment host, Tensor source) {
        copyToHostAsync(host, source);
        synchronize();
    }

    /**
     * Enqueues a copy of a tensor to the start of a native host segment. If the host memory is not pinned, the call may
     * wait for the copy.
     */
    public void copyToHostAsync(MemorySegment host, Tensor source) {
        if (source.bytes() > host.byteSize()) {
            throw new IndexOutOfBoundsException(source + " does not fit in " + host.byteSize() + " bytes");
        }
        runtime.copyToHost(handle(), host.address(), source.address(), source.bytes());
    }

    /** Writes the first n values of an array to an I32 tensor. The array may be reused when the call returns. */
    public void write(Tensor destination, int[] values, int n) {
        write(destination, DType.I32, MemorySegment.ofArray(values).asSlice(0, (long) n * Integer.BYTES));
    }

    public void write(Tensor destination, int... values) {
        write(destination, values, values.length);
    }

    /** Writes an I64 tensor. */
    public void write(Tensor destination, long[] values) {
        write(destination, DType.I64, MemorySegment.ofArray(values));
    }

    /** Writes an F32 tensor. */
    public void write(Tensor destination, float... values) {
        write(destination, DType.F32, MemorySegment.ofArray(values));
    }

    private void write(Tensor destination, DType dtype, MemorySegment values) {
        requireType(destination, dtype);
        try (Arena local = Arena.ofConfined()) {
            MemorySegment host = local.allocate(Math.max(values.byteSize(), 8), 8).asSlice(0, values.byteSize());
            host.copyFrom(values);
            copyToDevice(destination, host);
            synchronize();   // the device may still read the host memory after copyToDevice returns
        }
    }

    /** Waits until the enqueued work has run, then reads the elements of an F32 tensor. */
    public float[] readFloats(Tensor source) {
        requireType(source, DType.F32);
        try (Arena local = Arena.ofConfined()) {
            MemorySegment host = local.allocate(Math.max(source.bytes(), 8), 8);
            copyToHost(host, source);
            return host.asSlice(0, source.bytes()).toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private static void requireType(Tensor tensor, DType dtype) {
        if (tensor.dtype() != dtype) {
            throw new IllegalArgumentException(tensor + " is not " + dtype);
        }
    }

    /** Waits until all enqueued work has run. */
    public void synchronize() {
        runtime.synchronize(handle());
    }

    /** The free and the total memory of the device. */
    public Info memoryInfo() {
        runtime.memoryInfo(handle(), cell.address(), cell.address() + 8);
        return new Info(cell.get(ValueLayout.JAVA_LONG, 0), cell.get(ValueLayout.JAVA_LONG, 8));
    }

    /**
     * Memory of a device, in bytes.
     *
     * @param free  bytes that are available to this process at the time of the call
     * @param total total bytes of the device
     */
    public record Info(long free, long total) {
    }
}
