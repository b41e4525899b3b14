package org.ingrain.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A tensor in host memory, usually part of a mapped file.
 *
 * @param dtype  element type
 * @param shape  sizes of the dimensions
 * @param data   the elements in row-major order, in native memory
 * @param reader copies parts of the data. After a copy from a mapped file, no page of the file stays in the memory of
 *               the process
 */
public record HostTensor(DType dtype, long[] shape, MemorySegment data, Reader reader) {
    /** Copies bytes of a tensor, from byte {@code offset} on, until {@code target} is full. Thread-safe. */
    public interface Reader {
        void read(long offset, MemorySegment target);
    }

    /** Creates a tensor whose reader copies from {@code data}. */
    public HostTensor(DType dtype, long[] shape, MemorySegment data) {
        this(dtype, shape, data, (offset, target) -> MemorySegment.copy(data, offset, target, 0, target.byteSize()));
    }

    public long elements() {
        long n = 1;
        for (long size : shape) {
            n *= size;
        }
        return n;
    }
}
