package org.ingrain.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A tensor in host memory, usually a part of a mapped file.
 *
 * @param dtype of the elements
 * @param shape row-major
 * @param data  the bytes, native memory
 */
public record HostTensor(DType dtype, long[] shape, MemorySegment data) {
    public long elements() {
        long n = 1;
        for (long size : shape) {
            n *= size;
        }
        return n;
    }
}
