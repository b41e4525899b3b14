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
 * One side of a comparison, for one case: a context of its own, the ops that are compared, and inputs, which are the
 * same bits on every side because every side draws them in the same order from the same seed. Behind every tensor lies
 * a strip that nobody may write.
 */
final class Side implements AutoCloseable {
    private static final long SEED = 20240709;
    private static final int GUARD_BYTES = 256;
    /** Larger tensors repeat their first values: what is timed need not be drawn to the last element. */
    private static final int DRAWN = 1 << 20;

    private final Context context;
    private final Ops ops;
    private final Ops builtIn;
    private final Side oracle;
    private final Random random = new Random(SEED);
    private final List<Tensor> guards = new ArrayList<>();

    /**
     * Who computes.
     *
     * @param backend  opens the context
     * @param kernels  the ops that are compared: the backend itself, or the same library with overlays
     * @param options  of the context
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

    /** The ops that are compared. */
    Ops ops() {
        return ops;
    }

    /** The backend's own, for what a case needs beside the op it is about. */
    Ops builtIn() {
        return builtIn;
    }

    /** The side whose results are right; its own oracle where this is it. */
    Side oracle() {
        return oracle;
    }

    Random random() {
        return random;
    }

    /** Memory for an output: all bits set, which is a NaN in every float type and -1 in the integers. */
    Tensor output(DType dtype, long... shape) {
        long bytes = Tensor.unallocated(dtype, shape).bytes();
        Tensor memory = context.allocate(dtype, (bytes + GUARD_BYTES) / dtype.bytes());
        upload(memory, host -> host.fill((byte) -1));
        guards.add(memory.slice(bytes / dtype.bytes(), GUARD_BYTES / dtype.bytes()));
        return memory.view(shape);
    }

    /** A float tensor of these values, element by element. */
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

    /** Normal values. */
    Tensor normal(DType dtype, long... shape) {
        return values(i -> random.nextGaussian(), dtype, shape);
    }

    /** The same value everywhere. */
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

    /** n integers in [from, to). */
    Tensor randomInts(int n, int from, int to) {
        return ints(random.ints(n, from, to).toArray());
    }

    /** A weight (rows, columns) of normal values, packed by the backend's own op. */
    Weight weight(DType dtype, Weight.Layout layout, long rows, long columns, long chunk) {
        Weight weight = context.weight(dtype, layout, rows, columns, chunk);
        builtIn.pack(weight, normal(dtype, rows, columns), 0);
        return weight;
    }

    /** A tensor of another side, copied. */
    Tensor copied(Side from, Tensor tensor) {
        Tensor copy = output(tensor.dtype(), tensor.elements());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = from.download(tensor, arena);
            upload(copy, memory -> memory.copyFrom(host));
        }
        return copy;
    }

    /** A float tensor's elements as F32. */
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

    /** Whether every strip behind a tensor is as it was. */
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
