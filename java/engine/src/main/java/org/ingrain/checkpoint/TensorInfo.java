package org.ingrain.checkpoint;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;

/**
 * A tensor as a safetensors header describes it.
 *
 * @param type  of its elements, as the format names it
 * @param shape row-major; empty for a scalar
 * @param begin first byte, counted from the end of the header
 * @param end   the byte after the last
 */
public record TensorInfo(String name, String type, long[] shape, long begin, long end) {
    public TensorInfo {
        shape = shape.clone();
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    /** Empty for a type that the engine does not compute with. */
    public Optional<DType> dtype() {
        return Stream.of(DType.values()).filter(dtype -> dtype.name().equals(type)).findFirst();
    }

    /** Bytes in the file. */
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
