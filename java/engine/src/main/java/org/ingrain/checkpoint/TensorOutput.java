package org.ingrain.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;

/**
 * A tensor to write to a file.
 *
 * @param shape   row-major
 * @param content supplies the bytes, little-endian; called once, immediately before the tensor is written, so that only
 *                one tensor needs to be in memory at a time
 */
public record TensorOutput(String name, DType dtype, long[] shape, Supplier<MemorySegment> content) {
    /** An F32 tensor in memory. */
    public static TensorOutput of(String name, float[] values, long... shape) {
        return new TensorOutput(name, DType.F32, shape, () -> MemorySegment.ofArray(values));
    }

    /** A tensor copied from another file. */
    public static TensorOutput of(String name, HostTensor tensor) {
        return new TensorOutput(name, tensor.dtype(), tensor.shape(), tensor::data);
    }

    /** The size in the file, in bytes. */
    public long bytes() {
        long bytes = dtype.bytes();
        for (long size : shape) {
            bytes = Math.multiplyExact(bytes, size);
        }
        return bytes;
    }
}
