package org.ingrain.ffi;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Where device memory comes from. A constructor that allocates takes an allocator, so that the same code makes an
 * object and plans its memory: a {@link Context} allocates, a {@link Counter} adds up, a {@link Scope} frees together
 * what was allocated through it.
 */
public interface Allocator {
    /** The device that the memory belongs to. */
    Context context();

    /** Memory for a tensor; its content is undefined. */
    Tensor allocate(DType dtype, long... shape);

    /** Memory for a tensor, cleared. */
    Tensor allocateZero(DType dtype, long... shape);

    /** A weight of undefined content; {@code chunk}: columns of one partial sum, 0 for one sum over all. */
    default Weight weight(DType dtype, Weight.Layout layout, long rows, long columns, long chunk) {
        Tensor data = allocate(dtype, context().weightBytes(dtype, layout, rows, columns) / dtype.bytes());
        Tensor scales = dtype == DType.F8E4M3 ? allocate(DType.F32, rows) : null;
        return new Weight(context().arena(), data, scales, layout, rows, columns, chunk);
    }

    /**
     * Pinned host memory, which copies to and from the device need not wait for; a counter gives none and does not
     * count it.
     */
    MemorySegment hostAllocate(long bytes);

    /** Writes the first values of an F32 tensor; a counter does not ask for them. */
    void initialize(Tensor tensor, Supplier<float[]> values);

    /** Makes the scratch that the ops of the context share at least this large. */
    void reserveWorkspace(long bytes);

    /** Bytes that {@code constructor} would allocate on a context. */
    static long bytes(Context context, Consumer<Allocator> constructor) {
        Counter counter = new Counter(context);
        constructor.accept(counter);
        return counter.bytes();
    }

    /** Adds up what would be allocated on a context; its tensors have no memory. */
    final class Counter implements Allocator {
        private final Context context;
        private long allocated;
        private long workspace;

        public Counter(Context context) {
            this.context = context;
        }

        /** All allocations and the largest workspace. */
        public long bytes() {
            return Math.addExact(allocated, workspace);
        }

        @Override
        public Context context() {
            return context;
        }

        @Override
        public Tensor allocate(DType dtype, long... shape) {
            Tensor tensor = Tensor.unallocated(dtype, shape);
            allocated = Math.addExact(allocated, tensor.bytes());
            return tensor;
        }

        @Override
        public Tensor allocateZero(DType dtype, long... shape) {
            return allocate(dtype, shape);
        }

        @Override
        public MemorySegment hostAllocate(long bytes) {
            return MemorySegment.NULL;
        }

        @Override
        public void initialize(Tensor tensor, Supplier<float[]> values) {
            // There is nothing to write to.
        }

        @Override
        public void reserveWorkspace(long bytes) {
            workspace = Math.max(workspace, bytes);
        }
    }

    /** Frees on close what was allocated through it. */
    final class Scope implements Allocator, AutoCloseable {
        private final Allocator parent;
        private final List<Tensor> allocated = new ArrayList<>();
        private final List<MemorySegment> pinned = new ArrayList<>();

        public Scope(Allocator parent) {
            this.parent = parent;
        }

        @Override
        public Context context() {
            return parent.context();
        }

        @Override
        public Tensor allocate(DType dtype, long... shape) {
            return keep(parent.allocate(dtype, shape));
        }

        @Override
        public Tensor allocateZero(DType dtype, long... shape) {
            return keep(parent.allocateZero(dtype, shape));
        }

        private Tensor keep(Tensor tensor) {
            allocated.add(tensor);
            return tensor;
        }

        @Override
        public MemorySegment hostAllocate(long bytes) {
            MemorySegment host = parent.hostAllocate(bytes);
            pinned.add(host);
            return host;
        }

        @Override
        public void initialize(Tensor tensor, Supplier<float[]> values) {
            parent.initialize(tensor, values);
        }

        @Override
        public void reserveWorkspace(long bytes) {
            parent.reserveWorkspace(bytes);
        }

        @Override
        public void close() {
            allocated.forEach(context()::free);
            pinned.forEach(context()::hostFree);
            allocated.clear();
            pinned.clear();
        }
    }
}
