package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Function;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The environment of one check. It has a context of the library under test, inputs with exactly the values that the
 * reference uses, and outputs that are filled with NaN before the op runs. A guard strip of NaN after every allocation
 * must be neither read nor written.
 */
final class ParityCheck implements AutoCloseable {
    private static final int GUARD_BYTES = 256;

    private final TestTarget target;
    private final Backend backend;
    private final Context context;
    private final Ops ops;
    private final Backend trustedBackend;
    private final Context trustedContext;
    private final Ops trusted;
    private final Random random = new Random(20240709);
    private final References references;
    private final Map<String, Boolean> differed = new TreeMap<>();
    private final List<Tensor> guards = new ArrayList<>();

    /**
     * An input.
     *
     * @param tensor values on the device
     * @param values the same values, rounded to the dtype
     */
    record Data(Tensor tensor, float[] values) {
    }

    /** @param check name under which references are recorded */
    ParityCheck(TestTarget target, String check) {
        this.target = target;
        references = References.of(check);
        backend = Backend.open(target.library());
        context = backend.context(target.options());
        ops = new Ops(context);
        trustedBackend = target.wrong() ? Backend.open(target.trusted()) : backend;
        trustedContext = target.wrong() ? trustedBackend.context(target.options()) : context;
        trusted = target.wrong() ? new Ops(trustedContext) : ops;
    }

    TestTarget target() {
        return target;
    }

    Context context() {
        return context;
    }

    /** The ops under test. */
    Ops ops() {
        return ops;
    }

    /** Ops of the trusted library, for everything in a check except the tested op. */
    Ops trusted() {
        return trusted;
    }

    Random random() {
        return random;
    }

    /** Memory for an output with all bits set, which is NaN in all float types and -1 in the integer types. */
    Tensor output(DType dtype, long... shape) {
        long bytes = new Tensor(0, dtype, shape).bytes();
        Tensor memory = context.allocate(dtype, (bytes + GUARD_BYTES) / dtype.bytes());
        byte[] ones = new byte[Math.toIntExact(memory.bytes())];
        java.util.Arrays.fill(ones, (byte) -1);
        writeBytes(memory, MemorySegment.ofArray(ones));
        guards.add(memory.slice(bytes / dtype.bytes(), GUARD_BYTES / dtype.bytes()));
        return memory.view(shape);
    }

    /** An input with these values, rounded to the dtype. */
    Data data(DType dtype, float[] values, long... shape) {
        Tensor tensor = output(dtype, shape);
        assertEquals(tensor.elements(), values.length, "values of a " + tensor);
        byte[] bits = Floats.bits(dtype, values);
        references.saw(bits);
        writeBytes(tensor, MemorySegment.ofArray(bits));
        return new Data(tensor, Floats.rounded(dtype, values));
    }

    /** Values from the standard normal distribution. */
    Data normal(DType dtype, long... shape) {
        return normal(1, dtype, shape);
    }

    Data normal(double std, DType dtype, long... shape) {
        float[] values = new float[Math.toIntExact(new Tensor(0, dtype, shape).elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (std * random.nextGaussian());
        }
        return data(dtype, values, shape);
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

    /** Integers in [0, bound). */
    int[] randomInts(int n, int bound) {
        return random.ints(n, 0, bound).toArray();
    }

    /** A copy of columns [begin, end) of a matrix. */
    Data columns(Data matrix, int begin, int end) {
        int rows = Math.toIntExact(matrix.tensor().size(0));
        int width = Math.toIntExact(matrix.tensor().size(1));
        float[] part = new float[rows * (end - begin)];
        for (int r = 0; r < rows; r++) {
            System.arraycopy(matrix.values(), r * width + begin, part, r * (end - begin), end - begin);
        }
        return data(matrix.tensor().dtype(), part, rows, end - begin);
    }

    /** A weight with the values of {@code source}. If the layout is PACKED, the trusted library packs it. */
    Weight weight(Data source, Weight.Layout layout, long chunk) {
        Tensor values = source.tensor();
        Weight weight = context.weight(values.dtype(), layout, values.size(0), values.size(1), chunk);
        if (layout == Weight.Layout.ROW_MAJOR) {
            context.copy(weight.data().view(values.elements()), values);
        } else {
            trusted.pack(weight, values, 0);
        }
        return weight;
    }

    /** The elements of a float tensor, converted to F32. */
    float[] floats(Tensor tensor) {
        return Floats.of(tensor.dtype(), bytes(tensor));
    }

    byte[] bytes(Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(Math.max(tensor.bytes(), 8), 8);
            context.copyToHost(host, tensor);
            return host.asSlice(0, tensor.bytes()).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /**
     * The reference result, computed by libtorch or read from a record: float[], float[][] or long[]. Checks use
     * libtorch only through this method.
     */
    <R> R reference(Function<Torch, R> compute) {
        return references.get(compute);
    }

    /** A tolerance for sums weighted by a softmax. If the inputs are bf16, a tensor core rounds the weights to bf16. */
    ParityTolerance weighted(ParityTolerance tolerance, DType dtype) {
        return target.gpu() && dtype == DType.BF16 ? tolerance.through(DType.BF16) : tolerance;
    }

    /**
     * The same tolerance for attention with keys of dtype {@code keys}. This is the dtype of the paged cache, or of the
     * operands of attention without a cache. A CPU that multiplies in bf16 rounds the queries and the softmax weights
     * to bf16 if the keys are bf16.
     */
    ParityTolerance weighted(ParityTolerance tolerance, DType dtype, DType keys) {
        boolean rounds = target.bf16Products() && keys == DType.BF16;
        return rounds ? tolerance.through(DType.BF16) : weighted(tolerance, dtype);
    }

    /**
     * A tolerance for beta·d + product. cuBLASLt rounds the product to the dtype of d before it adds beta·d. This was
     * observed on an H200 with bf16.
     */
    ParityTolerance added(ParityTolerance tolerance, DType d, float beta) {
        return target.gpu() && d == DType.BF16 && beta != 0 ? tolerance.through(DType.BF16) : tolerance;
    }

    /**
     * Fails if the difference of an element exceeds the tolerance. If the library under test is deliberately wrong, the
     * method only records the difference in {@link #differed}.
     */
    void expect(String what, float[] expected, Tensor actual, ParityTolerance tolerance) {
        expect(what + " " + actual, expected, floats(actual), tolerance);
    }

    /** Does the same for an array. The first word of {@code what} must be the name of the op's output. */
    void expect(String what, float[] expected, float[] actual, ParityTolerance tolerance) {
        String output = what.substring(0, what.indexOf(' '));
        try {
            Floats.assertNear(what, expected, actual, tolerance);
            differed.putIfAbsent(output, false);
        } catch (AssertionError e) {
            differed.put(output, true);
            if (!target.wrong()) {
                throw e;
            }
        }
    }

    /** For the name of each compared output: whether a comparison found a difference. */
    Map<String, Boolean> differed() {
        return differed;
    }

    /** Fails if an op wrote past the end of a tensor. */
    void assertGuards() {
        for (Tensor guard : guards) {
            for (byte b : bytes(guard)) {
                if (b != -1) {
                    fail("an op wrote past the end of a tensor, at " + guard);
                }
            }
        }
    }

    private void writeBytes(Tensor tensor, MemorySegment heap) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(Math.max(heap.byteSize(), 8), 8).asSlice(0, heap.byteSize());
            host.copyFrom(heap);
            context.copyToDevice(tensor, host);
            context.synchronize();
        }
    }

    @Override
    public void close() {
        references.close();
        if (trustedContext != context) {
            trustedContext.close();
            trustedBackend.close();
        }
        context.close();
        backend.close();
    }
}
