package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests how backends and contexts are opened, reject arguments and free memory. */
class BackendTest {
    private static Backend cpu() {
        return Backend.open(NativeLibraries.find("cpu"));
    }

    private static ContextOptions threads(int threads) {
        return new ContextOptions(0, threads, "auto");
    }

    private static void assertRefused(ContextOptions options, String... parts) {
        try (Backend backend = cpu()) {
            String message = assertThrows(InputException.class, () -> backend.context(options)).getMessage();
            assertFalse(message.contains("\n"), message);
            for (String part : parts) {
                assertTrue(message.contains(part), () -> "'" + message + "' does not contain '" + part + "'");
            }
        }
    }

    @Test
    void refusesWhatItCannotOpen() {
        assertRefused(new ContextOptions(0, 1, "sse9"), "sse9", "avx2");
        assertRefused(new ContextOptions(3, 1, "auto"), "device", "3");
        assertThrows(InputException.class, () -> threads(-1));
        assertThrows(InputException.class, () -> new ContextOptions(-1, 1, "auto"));
    }

    @ParameterizedTest
    @CsvSource({"avx512_bf16, avx512_bf16", "amx, amx_tile"})
    void refusesAnInstructionSetThatTheCpuLacks(String isa, String flag) throws IOException {
        boolean lacks = !Files.readString(Path.of("/proc/cpuinfo")).contains(flag);
        assumeTrue(lacks, "Skipped: this CPU has " + isa);
        assertRefused(new ContextOptions(0, 1, isa), isa);
    }

    @Test
    void describesItself() {
        try (Backend backend = cpu(); Context context = backend.context(threads(2))) {
            String json = context.describe();
            for (String field : new String[] {"\"backend\"", "\"name\"", "\"isa\"", "\"threads\"", "\"memory_bytes\"",
                    "\"graphs\""}) {
                assertTrue(json.contains(field), json);
            }
            assertTrue(json.matches("(?s)\\{.*\"threads\"\\s*:\\s*2\\b.*\\}"), json);
            assertTrue(context.memoryInfo().free() > 0 && context.memoryInfo().free() <= context.memoryInfo().total());
        }
    }

    @Test
    void twoBackendsLiveSideBySide() {
        try (Backend first = cpu(); Backend second = cpu();
                Context one = first.context(threads(1)); Context other = second.context(threads(2))) {
            Tensor a = one.allocate(DType.F32, 3);
            Tensor b = other.allocate(DType.F32, 3);
            one.write(a, 1f, 2f, 3f);
            other.write(b, 4f, 5f, 6f);
            assertArrayEquals(new float[] {1, 2, 3}, one.readFloats(a));
            assertArrayEquals(new float[] {4, 5, 6}, other.readFloats(b));
        }
    }

    @Test
    void closingTwiceDoesNothing() {
        Backend backend = cpu();
        Context context = backend.context(threads(1));
        context.close();
        assertDoesNotThrow(context::close);
        backend.close();
        assertDoesNotThrow(backend::close);
    }

    @Test
    void runsOutOfMemoryWithoutHarm() {
        try (Backend backend = cpu(); Context context = backend.context(threads(1))) {
            var failure = assertThrows(BackendException.class, () -> context.allocate(DType.F32, 1L << 48));
            assertTrue(failure.outOfMemory(), failure.getMessage());
            assertFalse(failure.getMessage().contains("\n"), failure.getMessage());
            assertEquals(0, Inspect.allocatedBytes(context));
            Tensor small = context.allocateZero(DType.F32, 4);
            assertArrayEquals(new float[4], context.readFloats(small));
        }
    }

    @Test
    void memoryComesBack() {
        try (Backend backend = cpu(); Context context = backend.context(threads(1))) {
            Tensor tensor = context.allocate(DType.BF16, 5, 7);
            Weight weight = context.weight(DType.F32, Weight.Layout.PACKED, 33, 65, 0);
            assertEquals(70 + context.weightBytes(weight.format(), 33, 65),
                    Inspect.allocatedBytes(context));
            assertThrows(IllegalArgumentException.class, () -> context.free(tensor.rows(1, 2)));
            context.free(tensor);
            assertThrows(IllegalArgumentException.class, () -> context.free(tensor));
            context.free(weight.data());
            assertEquals(0, Inspect.allocatedBytes(context));
        }
        Context context;
        try (Backend backend = cpu()) {
            context = backend.context(threads(1));
            context.allocate(DType.F32, 1 << 20);
            context.close();
            assertEquals(0, Inspect.allocatedBytes(context));
        }
    }

    @Test
    void copiesBetweenTensorsAndHost() {
        try (Backend backend = cpu(); Context context = backend.context(threads(1))) {
            Tensor ints = context.allocate(DType.I32, 3);
            context.write(ints, new int[] {1, -2, 3, 4}, 3);
            Tensor copy = context.allocateZero(DType.I32, 3);
            context.copy(copy, ints);
            assertArrayEquals(new int[] {1, -2, 3}, Inspect.ints(context, copy));
            context.fillZero(copy);
            assertArrayEquals(new int[3], Inspect.ints(context, copy));
            assertThrows(IllegalArgumentException.class, () -> context.copy(context.allocate(DType.I32, 2), ints));
            assertThrows(IndexOutOfBoundsException.class, () -> context.write(ints, 1, 2, 3, 4));
            assertThrows(IllegalArgumentException.class, () -> context.readFloats(ints));
        }
    }
}
