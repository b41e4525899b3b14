package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Emulator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that calls of fallback kernels are reported: by the command {@code devices}, on standard error, and in the log
 * of a training. The tests use the emulated GPU with a cuBLASLt that refuses all products.
 */
class FallbacksTest {
    private static final Path LIBRARY = Path.of(System.getProperty("ingrain.root"), "build", "release", "lib",
            "libingrain_simt.so");
    private static final int NOTHING = 0;
    private static final int EVERYTHING = 2;

    @TempDir
    private Path temp;

    @BeforeEach
    void refuseEverything() {
        assumeTrue(Files.exists(LIBRARY), "Skipped: libingrain_simt.so is not built");
        Emulator.refuse(EVERYTHING, 0, 0);
    }

    @AfterEach
    void refuseNothing() {
        if (Files.exists(LIBRARY)) {
            Emulator.refuse(NOTHING, 0, 0);
        }
    }

    @Test
    void devicesShowsThem() {
        ByteArrayOutputStream shown = new ByteArrayOutputStream();
        PrintStream standard = System.out;
        System.setOut(new PrintStream(shown, true, StandardCharsets.UTF_8));
        try (Backend backend = Backend.open(LIBRARY)) {
            new DevicesCommand().show("simt:0", backend, 0);
            Emulator.refuse(NOTHING, 0, 0);
            new DevicesCommand().show("simt:1", backend, 1);
        } finally {
            System.setOut(standard);
        }
        List<String> lines = shown.toString(StandardCharsets.UTF_8).lines().toList();
        assertEquals(3, lines.size(), lines::toString);
        assertTrue(lines.get(1).matches("simt:0 +falls back: matmul of \\(64, 64\\) by \\(64, 64\\).*"), lines.get(1));
        assertTrue(lines.get(2).startsWith("simt:1 "), lines.get(2));
    }

    @Test
    void aTrainingRecordsThem() throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Path data = Files.writeString(temp.resolve("train.jsonl"),
                "{\"prompt\": \"Is it far to the old mill by the river?\", \"completion\": \" yes\"}\n");
        Run run = Run.of("finetune", "--model", model, "--device", "simt", "--dtype", "bf16", "--data", data,
                "--output", temp.resolve("tuned"), "--max-steps", 1);
        assertEquals(0, run.status(), run.err());
        assertTrue(run.err().lines()
                .anyMatch(line -> line.matches("ingrain: warning: matmul of .* \\(\\d+ such calls\\)")), run.err());
        String log = Files.readString(temp.resolve("tuned/log.txt"));
        assertTrue(
                log.lines().anyMatch(line -> line.matches(
                        ".* fallback, \\d+ calls: matmul of .* a plain kernel computes it")), log);
    }
}
