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
 * Source of device memory. Constructors that allocate take an allocator, so that the same code creates an object and
 * plans its memory: a {@link Context} allocates, a {@link Counter} only sums the sizes, a {@link Scope} frees all its
 * allocations together.
 */
public interface Allocator {
    /** The device that the memory belongs to. */
    Context context();

    /** Memory for a tensor; its content is undefined. */
    Tensor allocate(DType dtype, long... shape);

    /** Memory for a tensor, filled with zeros. */
    Tensor allocateZero(DType dtype, long... shape);

    /**
     * Memory that the ranks of the context's communicator read and write in place in their collectives. The call is a
     * collective itself: every rank allocates the same bytes in the same order.
     */
    Tensor allocateShared(DType dtype, long... shape);

    /** A weight with undefined content. {@code chunk}: columns per partial sum, 0 for a single sum over all columns. */
    default Weight weight(DType dtype, Weight.Layout layout, long rows, long columns, long chunk) {
        Tensor data = allocate(dtype, context().weightBytes(dtype, layout, rows, columns) / dtype.bytes());
        Tensor scales = dtype == DType.F8E4M3 ? allocate(DType.F32, rows) : null;
        return new Weight(context().arena(), data, scales, layout, rows, columns, chunk);
    }

    /**
     * Pinned host memory: copies between it and the device run without blocking the host. A counter returns NULL and
     * does not count it.
     */
    MemorySegment hostAllocate(long bytes);

    /** Writes the initial values of an F32 tensor. A counter does not call {@code values}. */
    void initialize(Tensor tensor, Supplier<float[]> values);

    /** Enlarges the scratch memory shared by all ops of the context to at least this size. */
    void reserveWorkspace(long bytes);

    /** Bytes of device memory that {@code constructor} would allocate on the context. */
    static long bytes(Context context, Consumer<Allocator> constructor) {
        Counter counter = new Counter(context);
        constructor.accept(counter);
        return counter.bytes();
    }

    /** Sums the sizes of all allocations without allocating; its tensors have no memory. */
    final class Counter implements Allocator {
        private final Context context;
        private long allocated;
        private long workspace;

        public Counter(Context context) {
            this.context = context;
        }

        /** Sum of all allocations plus the largest workspace. */
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
        public Tensor allocateShared(DType dtype, long... shape) {
            return allocate(dtype, shape);
        }

        @Override
        public MemorySegment hostAllocate(long bytes) {
            return MemorySegment.NULL;
        }

        @Override
        public void initialize(Tensor tensor, Supplier<float[]> values) {
            // the tensor has no memory
        }

        @Override
        public void reserveWorkspace(long bytes) {
            workspace = Math.max(workspace, bytes);
        }
    }

    /** Frees everything allocated through it when it closes. */
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

        @Override
        public Tensor allocateShared(DType dtype, long... shape) {
            return keep(parent.allocateShared(dtype, shape));
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
