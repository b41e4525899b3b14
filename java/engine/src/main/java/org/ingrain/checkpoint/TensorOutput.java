package org.ingrain.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;

/**
 * A tensor to be written.
 *
 * @param shape   row-major
 * @param content its bytes, little-endian; asked for once, when its turn comes, so that one tensor is in memory at a
 *                time
 */
public record TensorOutput(String name, DType dtype, long[] shape, Supplier<MemorySegment> content) {
    /** An F32 tensor in memory. */
    public static TensorOutput of(String name, float[] values, long... shape) {
        return new TensorOutput(name, DType.F32, shape, () -> MemorySegment.ofArray(values));
    }

    /** A tensor as it stands in another file. */
    public static TensorOutput of(String name, HostTensor tensor) {
        return new TensorOutput(name, tensor.dtype(), tensor.shape(), tensor::data);
    }

    /** Bytes in the file. */
    public long bytes() {
        long bytes = dtype.bytes();
        for (long size : shape) {
            bytes = Math.multiplyExact(bytes, size);
        }
        return bytes;
    }
}
