package org.ingrain.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;

/**
 * Converts floating-point elements in host memory to and from F32. Elements are little-endian and may be unaligned, as
 * in safetensors. Conversion rounds to nearest even.
 */
public final class HostFloats {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(
            ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(
            ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(
            ByteOrder.LITTLE_ENDIAN);

    private HostFloats() {
    }

    /**
     * Returns a tensor of a file. Elements of type F32, BF16 or F16 are not copied. F64 elements are converted to F32.
     * Throws an InputException for any other type.
     */
    static HostTensor tensor(Safetensors file, String name) {
        String where = file.file() + ": tensor '" + name + "'";
        TensorInfo info = file.info(name);
        MemorySegment data = file.data(name);
        if (info.type().equals("F64")) {
            MemorySegment rounded = Arena.ofAuto().allocate(info.elements() * Float.BYTES, Long.BYTES);
            for (long i = 0; i < info.elements(); i++) {
                rounded.set(FLOAT, i * Float.BYTES, (float) data.get(DOUBLE, i * Double.BYTES));
            }
            return new HostTensor(DType.F32, info.shape(), rounded);
        }
        DType dtype = info.dtype().filter(List.of(DType.F32, DType.BF16, DType.F16)::contains)
                .orElseThrow(() -> new InputException(where + " has dtype " + info.type()
                        + ", expected F64, F32, BF16 or F16"));
        return new HostTensor(dtype, info.shape(), data, (offset, target) -> file.read(name, offset, target));
    }

    /** Fills {@code values} with the elements of {@code data} that start at index {@code offset}, converted to F32. */
    static void read(float[] values, MemorySegment data, DType dtype, long offset) {
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, FLOAT, offset * Float.BYTES, values, 0, values.length);
            case BF16 -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] = Float.intBitsToFloat(data.getAtIndex(SHORT, offset + i) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] = Float.float16ToFloat(data.getAtIndex(SHORT, offset + i));
                }
            }
            default -> throw new IllegalArgumentException("no floats in " + dtype);
        }
    }

    /**
     * Converts {@code values} to the dtype and writes them to the elements of {@code data} from index {@code offset}
     * on.
     */
    public static void write(MemorySegment data, DType dtype, long offset, float[] values) {
        switch (dtype) {
            case F32 -> MemorySegment.copy(values, 0, data, FLOAT, offset * Float.BYTES, values.length);
            case BF16 -> {
                for (int i = 0; i < values.length; i++) {
                    data.setAtIndex(SHORT, offset + i, bf16(values[i]));
                }
            }
            case F16 -> {
                for (int i = 0; i < values.length; i++) {
                    data.setAtIndex(SHORT, offset + i, Float.floatToFloat16(values[i]));
                }
            }
            default -> throw new IllegalArgumentException("no floats in " + dtype);
        }
    }

    static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }
}
