package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests the CUDA kernel of CONTRIBUTING.md: runs it on the emulated GPU, and compiles it with nvcc. */
class SimtKernelTest {
    private static final Path BUILT = Path.of(System.getProperty("ingrain.root"), "build", "release", "lib");

    @TempDir
    private Path temp;

    @BeforeEach
    void built() {
        assumeTrue(Files.exists(BUILT.resolve("libingrain_simt.so")), "Skipped: libingrain_simt.so is not built");
    }

    private Path kernel(String name, String from, String to) throws IOException {
        String text = KernelSources.cudaExample();
        assertTrue(text.contains(from), from);
        return KernelSources.write(temp, name, text.replace(from, to));
    }

    private static void assertRefused(Run run, String... words) {
        assertEquals(2, run.status(), run.err());
        assertEquals("", run.out());
        for (String word : words) {
            assertTrue(run.complaint().contains(word), word + " in: " + run.complaint());
        }
    }

    @Test
    void theExampleIsRightAndGeneratesTheSameText() throws IOException {
        Path kernel = kernel("my.cu", "", "");
        Run check = Run.of("kernels", "check", "rms_norm=" + kernel, "--device", "simt", "--isa", "descending");
        assertEquals(0, check.status(), check.err());
        assertTrue(check.out().contains("agrees with the oracle at 10 shapes"), check.out());
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Object[] generate = {"generate", "--model", model, "--device", "simt", "--raw", "--prompt", "ab",
                "--max-tokens", "16", "--kernel",
            "rms_norm=" + kernel};
        Run swapped = Run.of(generate);
        assertEquals(0, swapped.status(), swapped.err());
        assertEquals(Run.of(Arrays.copyOf(generate, generate.length - 2)).out(), swapped.out());
        generate[generate.length - 1] = "rms_norm=" + kernel("refusing.cu", "return with_dtype(",
                "return refuse(ctx, INGRAIN_DEVICE_ERROR, \"mine was called\");\n  return with_dtype(");
        Run called = Run.of(generate);
        assertEquals(1, called.status(), called.err());
        assertTrue(called.complaint().contains("mine was called"), called.err());
    }

    @Test
    @Tag("long")
    void aFaultIsOneLine() throws IOException {
        assertRefused(check(kernel("tail.cu", "d < D; d += blockDim.x) y", "d < D - 1; d += blockDim.x) y")),
                "tail.cu: rms_norm_forward at", "is NaN, expected");
        assertRefused(
                check(
                        kernel("crash.cu", "const int64_t row = ",
                                "*static_cast<volatile int*>(nullptr) = 1;\n  const int64_t row = ")),
                                "crash.cu: rms_norm_forward at", "crashes with SIGSEGV");
        assertRefused(check(kernel("broken.cu", "float squares = 0;", "float squares = zero;")),
                "broken.cu: does not compile", "error:", "zero");
        Path host = KernelSources.write(temp, "my.cc", KernelSources.example());
        assertRefused(check(host), "my.cc", "simt", ".cu");
    }

    private static Run check(Path kernel) {
        return Run.of("kernels", "check", "rms_norm=" + kernel, "--device", "simt", "--timeout", "60");
    }

    /** nvcc compiles the example to a library. The kernel is not run, because that needs a GPU. */
    @Test
    void nvccTakesTheExampleToo() throws IOException {
        assumeTrue(Files.exists(BUILT.resolve("libingrain_cuda.so")), "Skipped: libingrain_cuda.so is not built");
        Run table = Run.of("kernels", "--device", "cuda", "--kernel", "rms_norm=" + kernel("my.cu", "", ""));
        assertEquals(0, table.status(), table.err());
        assertTrue(table.out().lines().anyMatch(line -> line.matches("rms_norm_forward +yours +.*my.cu *")),
                table.out());
        assertTrue(table.out().contains("cuda/ops/rms_norm.cu"), table.out());
        assertRefused(
                Run.of("kernels", "--device", "cuda", "--kernel",
                        "rms_norm=" + kernel("broken.cu", "float squares = 0;", "float squares = zero;")),
                        "broken.cu: does not compile", "error", "zero");
    }
}
