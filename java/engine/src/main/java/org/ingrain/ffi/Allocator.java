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
 * A source of device memory. A constructor that allocates memory takes an allocator as a parameter. The same code can
 * then create the object or compute how much memory the object needs. A {@link Context} allocates, a {@link
 * Counter} only sums the sizes, and a {@link Scope} frees all of its allocations together.
 */
public interface Allocator {
    /** The context on whose device the memory is allocated. */
    Context context();

    /** Allocates a tensor. The tensor's content is undefined. */
    Tensor allocate(DType dtype, long... shape);

    /** Allocates a tensor that is filled with zeros. */
    Tensor allocateZero(DType dtype, long... shape);

    /**
     * Allocates memory that collectives of the context's communicator read and write in place. The call is itself a
     * collective: all ranks must make the same calls in the same order, with equal numbers of bytes.
     */
    Tensor allocateShared(DType dtype, long... shape);

    /**
     * Allocates a weight with undefined content. {@code chunk} is the number of columns per partial sum, or 0 for a
     * single sum over all columns.
     */
    default Weight weight(Weight.Format format, long rows, long columns, long chunk) {
        DType unit = format.dtype().quantized() ? DType.INT8 : format.dtype();
        Tensor data = allocate(unit, context().weightBytes(format, rows, columns) / unit.bytes());
        Tensor scales = format.dtype() == DType.F8E4M3 ? allocate(DType.F32, rows) : null;
        return new Weight(context().arena(), format, data, scales, rows, columns, chunk);
    }

    /** Allocates a weight of a dtype that has no groups of columns with a common scale. */
    default Weight weight(DType dtype, Weight.Layout layout, long rows, long columns, long chunk) {
        return weight(Weight.Format.of(dtype, layout), rows, columns, chunk);
    }

    /**
     * Allocates pinned host memory. Copies between pinned memory and the device do not block the host. A {@link
     * Counter} returns NULL and does not count pinned memory.
     */
    MemorySegment hostAllocate(long bytes);

    /** Writes the initial values of an F32 tensor. A {@link Counter} does not call {@code values}. */
    void initialize(Tensor tensor, Supplier<float[]> values);

    /** Enlarges the scratch memory, which all ops of the context share, to at least this size. */
    void reserveWorkspace(long bytes);

    /** The number of bytes of device memory that {@code constructor} would allocate on the context. */
    static long bytes(Context context, Consumer<Allocator> constructor) {
        Counter counter = new Counter(context);
        constructor.accept(counter);
        return counter.bytes();
    }

    /** Sums the sizes of all allocations without allocating. The tensors that a Counter returns have no memory. */
    final class Counter implements Allocator {
        private final Context context;
        private long allocated;
        private long workspace;

        public Counter(Context context) {
            this.context = context;
        }

        /** The total bytes of all allocations plus the bytes of the largest workspace. */
        public long bytes() {
            return sum(allocated, workspace);
        }

        /** Returns a + b, but at most Long.MAX_VALUE, which is more than the memory of any device. */
        private static long sum(long a, long b) {
            return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
        }

        @Override
        public Context context() {
            return context;
        }

        @Override
        public Tensor allocate(DType dtype, long... shape) {
            Tensor tensor = Tensor.unallocated(dtype, shape);
            allocated = sum(allocated, tensor.bytes());
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
            // The tensor has no memory.
        }

        @Override
        public void reserveWorkspace(long bytes) {
            workspace = Math.max(workspace, bytes);
        }
    }

    /**
     * An allocator that records the memory that is allocated through this allocator. Closing the scope frees all of
     * this memory.
     */
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

    /**
     * Places allocations one after the other in a block of host memory. The same sequence of calls always gives the
     * same offsets, so the block can be a mapped file. Only for a device that computes in host memory.
     */
    final class Block implements Allocator {
        private static final long ALIGNMENT = 64;

        private final Context context;
        private final MemorySegment memory;
        private long used;

        /** @param memory the block, which begins at a multiple of 64 bytes */
        public Block(Context context, MemorySegment memory) {
            if (context.device().asynchronous()) {
                throw new IllegalStateException("the device does not compute in host memory");
            }
            this.context = context;
            this.memory = memory;
        }

        /** The number of bytes of a block for the allocations of {@code constructor}. */
        public static long bytes(Context context, Consumer<Allocator> constructor) {
            Block all = new Block(context, MemorySegment.NULL.reinterpret(Long.MAX_VALUE));
            constructor.accept(all);
            return all.used;
        }

        @Override
        public Context context() {
            return context;
        }

        @Override
        public Tensor allocate(DType dtype, long... shape) {
            long bytes = Tensor.unallocated(dtype, shape).bytes();
            Tensor tensor = new Tensor(memory.asSlice(used, bytes).address(), dtype, shape);
            used = Math.ceilDiv(used + bytes, ALIGNMENT) * ALIGNMENT;
            return tensor;
        }

        @Override
        public Tensor allocateZero(DType dtype, long... shape) {
            throw new UnsupportedOperationException("zeros in a block");   // bytes() has no memory to fill
        }

        @Override
        public Tensor allocateShared(DType dtype, long... shape) {
            throw new UnsupportedOperationException("memory of collectives in a block");
        }

        @Override
        public MemorySegment hostAllocate(long bytes) {
            return context.hostAllocate(bytes);
        }

        @Override
        public void initialize(Tensor tensor, Supplier<float[]> values) {
            throw new UnsupportedOperationException("initial values in a block");
        }

        @Override
        public void reserveWorkspace(long bytes) {
            context.reserveWorkspace(bytes);
        }
    }
}
