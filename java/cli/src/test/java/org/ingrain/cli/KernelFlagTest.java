package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.ffi.NativeLibraries;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands that compute with a model use a user's kernel instead of the built-in kernel. */
class KernelFlagTest {
    private static final String FAILS = "return run(float{});";

    @TempDir
    private static Path model;

    @TempDir
    private Path temp;

    @BeforeAll
    static void writeModel() throws IOException {
        TinyModelFolder.write(model);
    }

    private static Run generate(Object... flags) {
        List<Object> words = new ArrayList<>(List.of(
                "generate", "--model", model, "--raw", "--prompt", "ab", "--max-tokens", "24", "--json"));
        words.addAll(Arrays.asList(flags));
        return Run.of(words.toArray());
    }

    private static void assertRefused(Run run, String... words) {
        assertEquals(2, run.status(), run.err());
        assertEquals("", run.out());
        assertEquals(1, run.err().lines().filter(line -> line.startsWith("ingrain: ")).count(), run.err());
        assertFalse(run.err().contains("\tat "), run.err());
        for (String word : words) {
            assertTrue(run.complaint().contains(word), word + " in: " + run.complaint());
        }
    }

    private static List<Path> left() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return files.filter(file -> file.getFileName().toString().startsWith("ingrain-kernels-")).toList();
        }
    }

    @Test
    void aSourceStandsInForTheBuiltInKernel() throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc", KernelSources.example());
        List<Path> before = left();
        Run own = generate();
        Run swapped = generate("--kernel", "rms_norm=" + kernel);
        assertEquals(0, swapped.status(), swapped.err());
        assertEquals(text(own), text(swapped));
        assertEquals(before, left(), "compiled files are removed");
        Path failing = KernelSources.write(temp, "failing.cc", KernelSources.changed(FAILS,
                "{ ingrain_set_error(ctx, \"mine was called\"); return INGRAIN_DEVICE_ERROR; }"));
        Run called = generate("--kernel", "rms_norm_forward=" + failing);
        assertEquals(1, called.status(), called.err());
        assertTrue(called.complaint().contains("rms_norm_forward: mine was called"), called.err());
    }

    /** Most ops of a decoder are parts of fused ops. A kernel for such a part is called all the same. */
    @ParameterizedTest
    @ValueSource(strings = {"rope_forward", "kv_cache_write", "matmul_forward", "silu_mul_forward"})
    void aPartOfAFusedOpIsCalled(String op) throws IOException {
        Path kernel = KernelSources.write(temp, "part.cc", "#include \"ingrain.h\"\n" + KernelSources.declared(op)
                + " {\n  ingrain_set_error(ctx, \"mine was called\");\n  return INGRAIN_DEVICE_ERROR;\n}\n"
                + "INGRAIN_EXPORT_OP(" + op + ")\n");
        Run called = generate("--kernel", op + "=" + kernel);
        assertEquals(1, called.status(), called.err());
        assertTrue(called.complaint().contains(op + ": mine was called"), called.err());
    }

    @Test
    void anOpThatRunsInPartsIsReported() throws IOException {
        Path kernel = KernelSources.write(temp, "silu.cc", "#include \"ingrain.h\"\n#include <cmath>\n"
                + KernelSources.declared("silu_mul_forward") + """
                 {
                  if (dtype != INGRAIN_F32) return INGRAIN_UNSUPPORTED;
                  const float* x = static_cast<const float*>(gate_up);
                  for (int64_t t = 0; t < T; ++t)
                    for (int64_t i = 0; i < F; ++i) {
                      const float gate = x[2 * t * F + i];
                      static_cast<float*>(y)[t * F + i] = gate / (1 + std::exp(-gate)) * x[2 * t * F + F + i];
                    }
                  return INGRAIN_OK;
                }
                INGRAIN_EXPORT_OP(silu_mul_forward)
                """);
        Run own = generate();
        Run swapped = generate("--kernel", "silu_mul=" + kernel);
        assertEquals(0, swapped.status(), swapped.err());
        assertEquals(text(own), text(swapped));
        assertEquals("", own.complaint());
        assertTrue(swapped.err().contains("warning: matmul_silu_mul_forward: matmul_forward and silu_mul_forward "
                + "run instead, because user kernels replace silu_mul_forward"), swapped.err());
    }

    private static String text(Run run) {
        return run.out().replaceAll("(?s)\"log_probabilities\":\\[.*?\\]", "");
    }

    @Test
    void aLibraryIsLinkedToTheBackendThatIsLoaded() throws Exception {
        Path source = KernelSources.write(temp, "my.cc", KernelSources.changed(FAILS,
                "{ ingrain_set_error(ctx, \"from a library\"); return INGRAIN_DEVICE_ERROR; }"));
        Path library = build(source, NativeLibraries.find("cpu").toString());
        Run called = generate("--kernel", "rms_norm=" + library);
        assertTrue(called.complaint().contains("from a library"), called.err());
        assertRefused(generate("--kernel", "rms_norm=" + build(source)), "my.so", "cannot be loaded",
                "undefined symbol: ingrain_");
    }

    private static Path build(Path source, String... linked) throws Exception {
        Path library = source.resolveSibling("my.so");
        List<String> command = new ArrayList<>(List.of("g++", "-shared", "-fPIC", "-std=c++20", "-I",
                Path.of(System.getProperty("ingrain.root"), "native", "include").toString(), "-o", library.toString(),
                source.toString()));
        command.addAll(List.of(linked));
        assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor(), String.join(" ", command));
        return library;
    }

    @Test
    void whatIsNoKernelIsNamed() throws IOException {
        assertRefused(generate("--kernel", "rms_norm"), "--kernel", "OP=FILE");
        assertRefused(generate("--kernel", "rms_norm=" + temp.resolve("none.cc")), "none.cc", "no such file");
        Path text = Files.writeString(temp.resolve("notes.txt"), "x");
        assertRefused(generate("--kernel", "rms_norm=" + text), "notes.txt", ".so, .cc or .cu");
        Path kernel = KernelSources.write(temp, "my.cc", KernelSources.example());
        assertRefused(generate("--kernel", "rms_nrom=" + kernel), "rms_nrom", "rms_norm");
        assertRefused(generate("--kernel", "rms_norm_foward=" + kernel), "rms_norm_foward", "such as rms_norm_forward");
        assertRefused(generate("--kernel", "silu_mul=" + kernel), "my.cc", "exports none of ingrain_silu_mul_forward");
        assertRefused(generate("--kernel", "rms_norm=" + kernel, "--kernel", "rms_norm_forward=" + kernel),
                "rms_norm_forward", "twice");
        Path library = Files.writeString(temp.resolve("broken.so"), "not a library");
        assertRefused(generate("--kernel", "rms_norm=" + library), "broken.so", "cannot be loaded");
        Path cuda = KernelSources.write(temp, "my.cu", KernelSources.example());
        assertRefused(generate("--kernel", "rms_norm=" + cuda), "my.cu", "cpu", ".cc");
    }

    @Test
    void whatDoesNotCompileIsItsFirstError() throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc",
                KernelSources.changed("double squares = 0;", "double squares = zero;"));
        assertRefused(generate("--kernel", "rms_norm=" + kernel), "my.cc: does not compile", "my.cc:", "error:",
                "zero");
        Path unlinked = KernelSources.write(temp, "unlinked.cc",
                KernelSources.changed("namespace {\nusing", "void elsewhere();\nnamespace {\nusing")
                .replace("double squares = 0;", "double squares = 0; elsewhere();"));
        assertRefused(generate("--kernel", "rms_norm=" + unlinked), "unlinked.cc: does not compile", "elsewhere");
    }

    @Test
    void aTagIsLookedAtBeforeTheFirstCall() throws IOException {
        Path untagged = KernelSources.write(temp, "untagged.cc",
                KernelSources.changed("INGRAIN_EXPORT_OP(rms_norm_forward)", ""));
        assertRefused(generate("--kernel", "rms_norm=" + untagged), "untagged.cc", "ingrain_rms_norm_forward",
                "signature tag");
        String other = """
                #define ingrain_rms_norm_forward other
                #include "ingrain.h"
                #undef ingrain_rms_norm_forward
                extern "C" INGRAIN_API ingrain_status ingrain_rms_norm_forward(ingrain_context*, void*, float) { return 0; }
                INGRAIN_EXPORT_OP(rms_norm_forward)
                """;
        Path different = KernelSources.write(temp, "different.cc", other);
        assertRefused(generate("--kernel", "rms_norm=" + different), "different.cc",
                "has signature ippf, expected ipppppillf");
    }

    @Test
    void aRunFolderKnowsItsKernels() throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc", "#include \"helper.h\"\n" + KernelSources.example());
        Path helper = Files.writeString(temp.resolve("helper.h"), "// one\n");
        Path data = Files.writeString(temp.resolve("data.jsonl"),
                "{\"prompt\":\"a\",\"completion\":\"b\"}\n".repeat(4));
        Path output = temp.resolve("run");
        Object[] finetune = {"finetune", "--model", model, "--data", data, "--output", output, "--max-steps", "1",
                "--rank", "2",
            "--kernel", "rms_norm=" + kernel};
        Run first = Run.of(finetune);
        assertEquals(0, first.status(), first.err());
        Files.writeString(helper, "// two\n");
        assertRefused(Run.of(finetune), "kernel rms_norm helper.h");
        Files.writeString(helper, "// one\n");
        assertRefused(Run.of(Arrays.copyOf(finetune, finetune.length - 2)), "kernel rms_norm");
    }
}
