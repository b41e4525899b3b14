package org.ingrain.checkpoint;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;

/**
 * The description of a tensor in a safetensors header.
 *
 * @param type  name of the element type in the safetensors format
 * @param shape row-major; empty for a scalar
 * @param begin offset of the first byte, counted from the end of the header
 * @param end   offset of the first byte after the tensor, counted from the end of the header
 */
public record TensorInfo(String name, String type, long[] shape, long begin, long end) {
    public TensorInfo {
        shape = shape.clone();
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    /** The element type; empty if the engine does not support it. */
    public Optional<DType> dtype() {
        return Stream.of(DType.values()).filter(dtype -> dtype.name().equals(type)).findFirst();
    }

    /** The size in the file, in bytes. */
    public long bytes() {
        return end - begin;
    }

    /** Number of elements. */
    public long elements() {
        return LongStream.of(shape).reduce(1, (a, b) -> a * b);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TensorInfo that && name.equals(that.name) && type.equals(that.type)
                && Arrays.equals(shape, that.shape) && begin == that.begin && end == that.end;
    }

    @Override
    public int hashCode() {
        return name.hashCode();
    }

    @Override
    public String toString() {
        return name + " " + type + " " + Arrays.toString(shape);
    }
}
