package org.ingrain.workbench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * One side of a comparison. A case is run on several sides, and the results of the sides are compared. A side has a
 * context, the ops to compare, and the inputs. Every side draws its inputs in the same order from the same seed, so the
 * inputs of all sides are bitwise equal. A guard strip after each tensor detects writes past the end of the tensor.
 */
final class Side implements AutoCloseable {
    private static final long SEED = 20240709;
    private static final int GUARD_BYTES = 256;
    /**
     * Maximum number of random elements drawn for one tensor. A larger tensor, as in a timed case, repeats these
     * elements.
     */
    private static final int DRAWN = 1 << 20;

    private final Context context;
    private final Ops ops;
    private final Ops builtIn;
    private final Side oracle;
    private final Random random = new Random(SEED);
    private final List<Tensor> guards = new ArrayList<>();

    /**
     * A backend and the ops to compare.
     *
     * @param backend backend that opens the context
     * @param kernels library of the ops to compare: the backend itself, or the same backend with overlays
     * @param options options of the context
     */
    record Computer(Backend backend, Backend kernels, ContextOptions options) {
        Side open(Side oracle) {
            return new Side(this, oracle);
        }
    }

    private Side(Computer computer, Side oracle) {
        this.oracle = oracle == null ? this : oracle;
        context = computer.backend().context(computer.options());
        builtIn = new Ops(context);
        ops = new Ops(context, computer.kernels());
    }

    Context context() {
        return context;
    }

    /** The ops to compare. */
    Ops ops() {
        return ops;
    }

    /** The backend's built-in ops, which prepare the inputs and read the outputs of the op to compare. */
    Ops builtIn() {
        return builtIn;
    }

    /** The side whose results are the reference; this side itself if it is the reference. */
    Side oracle() {
        return oracle;
    }

    Random random() {
        return random;
    }

    /**
     * Allocates an output with all bits set, so that its elements are NaN in all float types and -1 in the integer
     * types.
     */
    Tensor output(DType dtype, long... shape) {
        long bytes = Tensor.unallocated(dtype, shape).bytes();
        Tensor memory = context.allocate(dtype, (bytes + GUARD_BYTES) / dtype.bytes());
        upload(memory, host -> host.fill((byte) -1));
        guards.add(memory.slice(bytes / dtype.bytes(), GUARD_BYTES / dtype.bytes()));
        return memory.view(shape);
    }

    /**
     * Creates a tensor of this shape whose element i is value(i). If the tensor has more than {@link #DRAWN} elements,
     * the first {@link #DRAWN} elements are repeated.
     */
    Tensor values(IntToDoubleFunction value, DType dtype, long... shape) {
        Tensor tensor = output(dtype, shape);
        int drawn = (int) Math.min(DRAWN, tensor.elements());
        upload(tensor, host -> {
            for (int i = 0; i < drawn; i++) {
                Values.put(host, dtype, i, (float) value.applyAsDouble(i));
            }
            for (long at = (long) drawn * dtype.bytes(); at < host.byteSize(); at *= 2) {
                MemorySegment.copy(host, 0, host, at, Math.min(at, host.byteSize() - at));
            }
        });
        return tensor;
    }

    Tensor values(float[] values, DType dtype, long... shape) {
        return values(i -> values[i], dtype, shape);
    }

    /** A tensor of random values from the standard normal distribution. */
    Tensor normal(DType dtype, long... shape) {
        return values(i -> random.nextGaussian(), dtype, shape);
    }

    /** A tensor filled with one value. */
    Tensor constant(double value, DType dtype, long... shape) {
        return values(i -> value, dtype, shape);
    }

    Tensor ints(int... values) {
        Tensor tensor = output(DType.I32, values.length);
        context.write(tensor, values);
        return tensor;
    }

    Tensor longs(long... values) {
        Tensor tensor = output(DType.I64, values.length);
        context.write(tensor, values);
        return tensor;
    }

    /** A tensor of n random integers in [from, to). */
    Tensor randomInts(int n, int from, int to) {
        return ints(random.ints(n, from, to).toArray());
    }

    /** A weight (rows, columns) of normally distributed values, packed by the built-in op. */
    Weight weight(DType dtype, Weight.Layout layout, long rows, long columns, long chunk) {
        Weight weight = context.weight(dtype, layout, rows, columns, chunk);
        builtIn.pack(weight, normal(dtype, rows, columns), 0);
        return weight;
    }

    /** Copies a tensor of another side to this side. The copy has one dimension. */
    Tensor copied(Side from, Tensor tensor) {
        Tensor copy = output(tensor.dtype(), tensor.elements());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = from.download(tensor, arena);
            upload(copy, memory -> memory.copyFrom(host));
        }
        return copy;
    }

    /** The elements of a tensor, converted to F32. */
    float[] floats(Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = download(tensor, arena);
            float[] values = new float[Math.toIntExact(tensor.elements())];
            for (int i = 0; i < values.length; i++) {
                values[i] = Values.get(host, tensor.dtype(), i);
            }
            return values;
        }
    }

    MemorySegment download(Tensor tensor, Arena arena) {
        MemorySegment host = arena.allocate(Math.max(tensor.bytes(), 8), 8).asSlice(0, tensor.bytes());
        context.copyToHost(host, tensor);
        return host;
    }

    private void upload(Tensor tensor, java.util.function.Consumer<MemorySegment> fill) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(Math.max(tensor.bytes(), 8), 8).asSlice(0, tensor.bytes());
            fill.accept(host);
            context.copyToDevice(tensor, host);
            context.synchronize();
        }
    }

    /** Whether all guard strips are unchanged. */
    boolean guardsStand() {
        try (Arena arena = Arena.ofConfined()) {
            return guards.stream().map(guard -> download(guard, arena)).allMatch(strip ->
                    strip.elements(ValueLayout.JAVA_BYTE).allMatch(b -> b.get(ValueLayout.JAVA_BYTE, 0) == -1));
        }
    }

    @Override
    public void close() {
        context.close();
    }
}
