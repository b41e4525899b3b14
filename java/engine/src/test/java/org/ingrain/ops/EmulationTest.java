package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Runs the tests of the emulated CUDA runtime (cuda/simt/test), a program in the folder of the emulated backend. */
class EmulationTest {
    @Test
    @Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void emulatesWhatTheKernelsAreTrustedWith() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(program().toString()).redirectErrorStream(true).start();
        String lines = new String(process.getInputStream().readAllBytes());
        assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the program does not end");
        assertEquals(0, process.exitValue(), lines);
        assertTrue(lines.lines().count() > 30 && lines.lines().allMatch(line -> line.startsWith("ok ")), lines);
    }

    private static Path program() {
        try {
            return NativeLibraries.find("simt").resolveSibling("simt_test");
        } catch (InputException e) {
            System.out.println("Skipped: " + e.getMessage());
            return abort(e.getMessage());
        }
    }
}
