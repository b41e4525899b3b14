package org.ingrain.cli.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.ingrain.cli.KernelSources;
import org.ingrain.cli.Run;
import org.ingrain.ffi.NativeLibraries;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests the table of kernels, and the check of a user's kernel, which runs in a separate process that may crash. */
class KernelsCheckTest {
    private static final String LOOP = "for (int64_t t = begin; t < end; ++t) {\n      double";
    private static final String STORED = "* r * load(w[d]))";

    @TempDir
    private Path temp;

    private static void assertRefused(Run run, String... words) {
        assertEquals(2, run.status(), run.err());
        assertEquals("", run.out());
        assertEquals(1, run.err().lines().filter(line -> line.startsWith("ingrain: ")).count(), run.err());
        for (String word : words) {
            assertTrue(run.complaint().contains(word), word + " in: " + run.complaint());
        }
    }

    @Test
    void aRightKernelIsTimedBesideTheBuiltInOne() throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc", KernelSources.example());
        Run run = Run.of("kernels", "check", "rms_norm=" + kernel, "--json", "--threads", "1");
        assertEquals(0, run.status(), run.err());
        JsonNode result = JsonMapper.shared().readTree(run.out());
        JsonNode op = result.path("ops").path(0);
        assertEquals("rms_norm_forward", op.path("op").asString());
        assertEquals(1, result.path("ops").size());
        assertEquals(10, op.path("shapes").asInt());
        JsonNode timing = op.path("timings").path(0);
        assertEquals("memory", timing.path("bound").asString());
        for (String figure : new String[] {"milliseconds", "builtInMilliseconds", "gigabytesPerSecond", "share"}) {
            assertTrue(timing.path(figure).asDouble() > 0, figure + " in " + run.out());
        }
        assertTrue(result.path("copyGigabytesPerSecond").asDouble() > 0
                && result.path("matmulTeraflops").asDouble() > 0, run.out());
    }

    @Test
    void aKernelMaySupportSomeShapesAlone() throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc",
                KernelSources.changed("if (dtype == INGRAIN_BF16) return run(bf16{});", ""));
        Run run = Run.of("kernels", "check", "rms_norm_forward=" + kernel);
        assertEquals(0, run.status(), run.err());
        for (String word : new String[] {"agrees with the oracle at 5 shapes", "does not support 5",
                "my rms_norm takes f32", "of copy", "the built-in"}) {
            assertTrue(run.out().contains(word), word + " in: " + run.out());
        }
    }

    static Stream<Arguments> faults() {
        return Stream.of(
                fault("a forgotten last column", "d < D; ++d) store", "d < D - (D > 9); ++d) store",
                        "rms_norm_forward at T 1 D 4099 rstd 1 F32",
                        "y[0, 4098] is NaN, expected "),
                fault("a factor", STORED, "* r * load(w[d]) * 1.001f)", "rms_norm_forward at T 1 D 1 rstd 1 F32",
                        "y[0, 0] is ", ", expected ", "within"),
                fault("an output", "if (rstd) rstd[t] = r;", "", "rstd[0] is NaN"),
                fault("the end", "if (rstd) rstd[t] = r;", "if (rstd) rstd[t] = r;\n      store(y[(t + 1) * D], 0);",
                        "rms_norm_forward at", "writes past the end"),
                fault("a crash", LOOP, "*static_cast<volatile int*>(nullptr) = 1;\n    " + LOOP, "rms_norm_forward at",
                        "crashes with SIGSEGV"),
                fault("the process crashes", LOOP, "__builtin_trap();\n    " + LOOP, "rms_norm_forward at",
                        "crashes with SIGILL"),
                fault("a hang", LOOP, "for (volatile int forever = 1; forever;) {}\n    " + LOOP, "rms_norm_forward at",
                        "has not returned after 5 s"),
                fault("an error", "return run(float{});", "return INGRAIN_DEVICE_ERROR;", "rms_norm_forward at",
                        "fails with status 4"),
                fault("a tag", "INGRAIN_EXPORT_OP(rms_norm_forward)", "", "ingrain_rms_norm_forward",
                        "without its signature tag"),
                fault("a syntax", "double squares = 0;", "double squares = zero;", "does not compile", "error:",
                        "zero"),
                fault("another name", "ingrain_rms_norm_forward", "ingrain_rms_norm_upward",
                        "exports none of ingrain_rms_norm_forward"));
    }

    private static Arguments fault(String name, String from, String to, String... words) {
        return Arguments.of(name, from, to, words);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("faults")
    void aFaultIsOneLine(String name, String from, String to, String[] words) throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc", KernelSources.changed(from, to));
        Run run = Run.of("kernels", "check", "rms_norm=" + kernel, "--timeout", "5", "--threads", "1");
        assertRefused(run, words);
        assertTrue(run.complaint().contains("my.cc"), run.complaint());
        assertFalse(run.err().contains("hs_err") || run.err().contains("# "), run.err());
    }

    @Test
    void whatIsNoKernelIsNamed() throws IOException {
        Path kernel = KernelSources.write(temp, "my.cc", KernelSources.example());
        assertRefused(Run.of("kernels", "check", "rms_nrom=" + kernel), "rms_nrom", "rms_norm");
        assertRefused(Run.of("kernels", "check", "silu_mul=" + kernel), "my.cc", "exports none of");
        assertRefused(Run.of("kernels", "check", "rms_norm=" + temp.resolve("none.cu")), "none.cu", "no such file");
        assertRefused(Run.of("kernels", "check", "rms_norm=" + kernel, "--timeout", "0"), "--timeout");
    }

    @Test
    void theTableSaysWhereEachOpComesFrom() throws IOException {
        Run table = Run.of("kernels");
        assertEquals(0, table.status(), table.err());
        assertTrue(table.out().lines().anyMatch(line ->
                line.matches("rms_norm_forward +cpu +native/ops/rms_norm.cc +memory: .*")), table.out());
        Path kernel = KernelSources.write(temp, "my.cc", KernelSources.example());
        Run swapped = Run.of("kernels", "--kernel", "rms_norm=" + kernel, "--json");
        JsonNode row = swapped.out().lines().map(JsonMapper.shared()::readTree)
                .filter(line -> line.path("op").asString().equals("rms_norm_forward"))
                .findFirst().orElseThrow();
        assertEquals("yours", row.path("backend").asString());
        assertEquals(kernel.toString(), row.path("file").asString());
        assertEquals(table.out().lines().count() - 1, swapped.out().lines().count());
        assertTrue(Files.isRegularFile(NativeLibraries.find("cpu")));
    }
}
