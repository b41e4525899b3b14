package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ingrain.ops.ParityTests;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The header, the libraries, the Java bindings and the parity tests have the same ops. */
class AbiTest {
    private static final Pattern STRUCT = Pattern.compile("typedef struct (\\w+) \\{([^}]*)\\}");
    private static final Pattern FIELD = Pattern.compile("(\\w+)\\s*;");
    private static final Map<String, String> OPS = OpBindings.SIGNATURES;
    private static final String ABI =
            "#include \"ingrain.h\"\nint32_t ingrain_abi_version(void) { return INGRAIN_ABI_VERSION; }\n";

    @TempDir
    Path folder;

    /** The libraries of all backends in the build. */
    static List<Path> libraries() {
        Path built = Path.of(System.getProperty("ingrain.root"), "build", "release", "lib");
        return Stream.of("cpu", "wrong", "cuda", "simt").map(name -> built.resolve("libingrain_" + name + ".so"))
                .filter(library -> {
            boolean exists = Files.exists(library);
            if (!exists) {
                System.out.println("Skipped: " + library.getFileName() + " is not built");
            }
            return exists;
        }).toList();
    }

    @ParameterizedTest
    @MethodSource("libraries")
    void exportsTheHeaderAndNothingElse(Path library) throws Exception {
        Set<String> expected = new TreeSet<>();
        RuntimeBindings.SIGNATURES.keySet().forEach(function -> expected.add("ingrain_" + function));
        OPS.keySet().forEach(op -> expected.addAll(List.of("ingrain_" + op, "ingrain_signature_" + op)));
        assertEquals(lines(expected), lines(new TreeSet<>(NativeTools.exports(library))));
    }

    @ParameterizedTest
    @MethodSource("libraries")
    void tagsAreWhatJavaCalls(Path library) {
        try (Backend backend = Backend.open(library)) {
            OPS.forEach(backend::op);
        }
    }

    @Test
    void everyOpHasAParityTest() {
        assertEquals(lines(new TreeSet<>(OPS.keySet())), lines(new TreeSet<>(ParityTests.ops())));
    }

    private static String lines(Iterable<?> items) {
        List<String> lines = new ArrayList<>();
        items.forEach(item -> lines.add(item.toString()));
        return String.join("\n", lines);
    }

    @Test
    void aKernelWithoutItsTagIsRefused() throws Exception {
        String kernel =
                "ingrain_status ingrain_silu_mul_forward(ingrain_context*, void*, const void*, int32_t, int64_t, "
                + "int64_t) { return 0; }\n";
        assertRefused(NativeTools.library(folder, "untagged", ABI + kernel), "without its signature tag");
        try (Backend backend = Backend.open(NativeTools.library(
                folder, "tagged", ABI + kernel + "INGRAIN_EXPORT_OP(silu_mul_forward)\n"))) {
            backend.op("silu_mul_forward", OPS.get("silu_mul_forward"));
        }
    }

    @Test
    void aKernelOfAnotherSignatureIsRefused() throws Exception {
        String kernel =
                "extern \"C\" INGRAIN_API ingrain_status ingrain_silu_mul_forward(ingrain_context*, void*, const "
                + "void*, float) { return 0; }\n";
        String source = ABI.replace("#include \"ingrain.h\"\n",
                "#define ingrain_silu_mul_forward other\n#include \"ingrain.h\"\n#undef ingrain_silu_mul_forward\n");
        assertRefused(NativeTools.library(folder, "different",
                source + kernel + "INGRAIN_EXPORT_OP(silu_mul_forward)\n"), "has signature ipppf");
    }

    @Test
    void aLibraryWithoutAKernelIsRefused() throws Exception {
        assertRefused(NativeTools.library(folder, "empty", ABI), "exports no symbol");
    }

    private void assertRefused(Path library, String reason) {
        try (Backend backend = Backend.open(library)) {
            String message = assertThrows(InputException.class,
                    () -> backend.op("silu_mul_forward", OPS.get("silu_mul_forward"))).getMessage();
            assertOneLine(message, library.toString(), "ingrain_silu_mul_forward", reason);
        }
    }

    @Test
    void whatIsNoBackendIsRefused() throws Exception {
        Path text = Files.writeString(folder.resolve("text.so"), "not a library");
        Path older = NativeTools.library(folder, "older",
                "extern \"C\" __attribute__((visibility(\"default\"))) int ingrain_abi_version() { return 0; }");
        Path other = NativeTools.library(folder, "other", "int answer() { return 42; }");
        assertOneLine(assertThrows(InputException.class, () -> Backend.open(text)).getMessage(), text.toString(),
                "cannot be loaded");
        assertOneLine(assertThrows(InputException.class, () -> Backend.open(older)).getMessage(), older.toString(),
                "version 0, expected 3");
        assertOneLine(assertThrows(InputException.class, () -> Backend.open(other)).getMessage(), other.toString(),
                "ingrain_abi_version");
        assertOneLine(assertThrows(InputException.class, () -> Backend.open(folder.resolve("none.so"))).getMessage(),
                "none.so");
    }

    private static void assertOneLine(String message, String... parts) {
        assertFalse(message.contains("\n"), message);
        for (String part : parts) {
            assertTrue(message.contains(part), () -> "'" + message + "' does not contain '" + part + "'");
        }
    }

    /**
     * Java writes known values to the fields of a descriptor. The test reads each value at the offset that the C++
     * compiler reports for the field.
     */
    @Test
    void descriptorsLieAsTheCompilerLaysThem() throws Exception {
        Map<String, Map<String, Integer>> layouts = layouts();
        try (Arena arena = Arena.ofConfined()) {
            var scaled = new Weight(arena, Weight.Format.of(DType.F8E4M3, Weight.Layout.ROW_MAJOR),
                    new Tensor(0x1000, DType.F8E4M3, 35), new Tensor(0x2000, DType.F32, 5), 5, 7, 0);
            assertEquals(Map.of("data", 0x1000L, "scales", 0x2000L, "dtype", 5L, "layout", 0L, "rows", 5L, "columns",
                    7L, "chunk", 0L, "group", 0L, "zeros", 0L),
                    fields(scaled.address(), layouts.get("ingrain_weight")));
            var grouped = new Weight(arena, new Weight.Format(DType.INT4, Weight.Layout.PACKED, 64, true),
                    new Tensor(0x1000, DType.INT8, 350), null, 5, 128, 64);
            assertEquals(Map.of("data", 0x1000L, "scales", 0L, "dtype", 7L, "layout", 1L, "rows", 5L, "columns", 128L,
                    "chunk", 64L, "group", 64L, "zeros", 1L),
                    fields(grouped.address(), layouts.get("ingrain_weight")));
            var batch = new Batch(arena, 4, 16);
            batch.lay(new Tensor(0x1000, DType.I32, Batch.elements(11, 3, 4)), 11, 3);
            batch.planIn(new Tensor(0x2000, DType.I32, Batch.planElements(11)));
            batch.use(9, 2, true);
            assertEquals(0L, fields(batch.address(), layouts.get("ingrain_batch")).get("planned"));
            batch.planned(true);
            Map<String, Long> expected = new TreeMap<>(Map.of("plan", 0x2000L, "planned", 1L));
            expected.putAll(Map.of("sequence_offsets", batch.sequenceOffsets().address(), "positions",
                    batch.positions().address(), "block_tables", batch.blockTables().address(), "prefix_groups",
                    batch.prefixGroups().address(), "prefix_blocks", batch.prefixBlocks().address(), "adapter_slots",
                    batch.adapterSlots().address(), "tokens", 9L, "sequences", 2L, "max_blocks", 4L, "block_size",
                    16L));
            assertEquals(expected, fields(batch.address(), layouts.get("ingrain_batch")));
            batch.use(9, 2, false);
            assertEquals(0L, fields(batch.address(), layouts.get("ingrain_batch")).get("adapter_slots"));
        }
    }

    /** Field offsets of each struct of the header, in bytes; the size of the struct has the key "". */
    private Map<String, Map<String, Integer>> layouts() throws IOException, InterruptedException {
        var source = new StringBuilder("#include \"ingrain.h\"\n#include <cstddef>\n#include <cstdio>\nint main() {\n");
        STRUCT.matcher(Files.readString(NativeTools.HEADER).replaceAll("//[^\n]*", "")).results().forEach(declared -> {
            String struct = declared.group(1);
            source.append("printf(\"%s  %zu\\n\", \"").append(struct).append("\", sizeof(").append(struct)
                    .append("));\n");
            FIELD.matcher(declared.group(2)).results().map(field -> field.group(1))
                    .forEach(field -> source.append("printf(\"").append(struct)
                    .append(' ').append(field).append(" %zu\\n\", offsetof(").append(struct).append(", ").append(field)
                            .append("));\n"));
        });
        Map<String, Map<String, Integer>> layouts = new TreeMap<>();
        for (String line : NativeTools.printed(folder, source.append("}\n").toString())) {
            String[] words = line.split(" ");
            layouts.computeIfAbsent(words[0], name -> new TreeMap<>()).put(words[1], Integer.parseInt(words[2]));
        }
        return layouts;
    }

    private static Map<String, Long> fields(long address, Map<String, Integer> layout) {
        MemorySegment struct = MemorySegment.ofAddress(address).reinterpret(layout.get(""));
        List<Integer> ends = new ArrayList<>(new TreeSet<>(layout.values()));
        Map<String, Long> fields = new TreeMap<>();
        layout.forEach((field, offset) -> {
            if (!field.isEmpty()) {
                boolean narrow = ends.get(ends.indexOf(offset) + 1) - offset == Integer.BYTES;
                fields.put(field, narrow ? struct.get(ValueLayout.JAVA_INT, offset) : struct.get(
                        ValueLayout.JAVA_LONG, offset));
            }
        });
        return fields;
    }
}
