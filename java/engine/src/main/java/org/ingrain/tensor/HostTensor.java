package org.ingrain.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A tensor in host memory, usually part of a mapped file.
 *
 * @param dtype element type
 * @param shape row-major
 * @param data  the elements, in native memory
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
