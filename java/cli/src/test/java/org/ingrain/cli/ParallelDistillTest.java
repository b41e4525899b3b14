package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Emulator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A distillation over two copies of two ranks each writes the same bytes as a distillation on one rank. */
class ParallelDistillTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");

    @TempDir
    private Path temp;

    private Run distill(String output, Object... more) {
        List<Object> words = new ArrayList<>(List.of("distill", "--model", LAB, "--task", "last-letter", "--generate",
                8, "--test-size", 4, "--method", "direct", "--n", 3, "--majority", "all", "--target", "response",
                "--max-tokens", 8, "--max-steps", 2, "--rank", 2, "--output", temp.resolve(output)));
        words.addAll(List.of(more));
        return Run.of(words.toArray());
    }

    @Test
    void samplesAreThoseOfOneRank() throws IOException {
        Run one = distill("one", "--threads", 1);
        assertEquals(0, one.status(), one.err());
        Run four = distill("four", "--tensor-parallel-size", 2, "--data-parallel-size", 2);
        assertEquals(0, four.status(), four.err());
        assertTrue(four.err().contains("cpu: 2 copies of the model, each over 2 devices (as requested)"), four.err());
        for (String file : List.of("samples.jsonl", "train.jsonl", "ledger.jsonl")) {
            assertEquals(Files.readString(temp.resolve("one").resolve(file)),
                    Files.readString(temp.resolve("four").resolve(file)), file);
        }
    }

    /** A dry run shows the device of each rank and the memory that each device needs. */
    @Test
    void aDryRunShowsThePlacement() {
        Run run = distill("none", "--dry-run", "--tensor-parallel-size", 2, "--threads", 2);
        assertEquals(0, run.status(), run.err());
        assertMatches(run.out(), "memory: needs \\S+ GiB for 2 ranks \\(weights \\S+, cache \\S+, workspace \\S+, "
                + "adapter \\S+, training \\S+\\), \\S+ GiB free",
                "devices: cpu: 1 copy of the model, over 2 devices \\(as requested\\)",
                "  copy 0: rank 0 on cpu, rank 1 on cpu");
    }

    /** For two copies on four GPUs, a dry run shows a plan for each GPU. */
    @Test
    void aDryRunShowsEveryDevice() throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Run run = Run.of("distill", "--model", model, "--task", "last-letter", "--generate", 3, "--test-size", 1,
                "--method", "direct", "--n", 1, "--majority", "all", "--target", "response", "--max-tokens", 2,
                "--rank", 2, "--batch-size", 1, "--gradient-accumulation", 2, "--dry-run", "--device", "simt:0,1,2,3",
                "--tensor-parallel-size", 2, "--data-parallel-size", 2);
        assertEquals(0, run.status(), run.err());
        assertMatches(run.out(), fourDevices("as requested"));
    }

    /**
     * The command {@code devices} shows the same plan and the values that were chosen for unset flags. This command
     * does not load the model.
     */
    @Test
    void devicesPlansAModelWithoutLoadingIt() {
        List<Object> command = List.of("devices", "--model", LAB, "--device", "simt:0,1,2,3");
        Run two = Run.of(with(command, "--tensor-parallel-size", 2));
        assertEquals(0, two.status(), two.err());
        assertMatches(two.out(), fourDevices("tensorParallelSize as requested, copies on all devices"));
        Run all = Run.of(with(command));
        assertTrue(all.out().contains("devices: simt:0,1,2,3: 4 copies of the model, each over 1 device (each device "
                + "has room for the whole model)\n  copy 0: rank 0 on simt:0\n"), all.out());
        Run tooLarge = Run.of(with(command, "--cache-tokens", 1L << 35));
        assertEquals(2, tooLarge.status());
        assertTrue(tooLarge.complaint().startsWith("ingrain: " + LAB + " on simt:0: needs "), tooLarge.complaint());
        assertEquals("ingrain: --json: given with --model, expected one of them",
                Run.of(with(command, "--json")).complaint());
    }

    @Test
    void withoutPeerAccessTheRanksNeedNccl() {
        List<Object> command = List.of("devices", "--model", LAB, "--device", "simt:0,1,2,3");
        Emulator.setPeers(false);
        try {
            String pair = "; no peer access between simt:%d and simt:%d, so NCCL computes all collectives\n";
            Run two = Run.of(with(command, "--tensor-parallel-size", 2));
            assertEquals(0, two.status(), two.err());
            assertTrue(two.out().endsWith("  copy 0: rank 0 on simt:0, rank 1 on simt:1" + pair.formatted(0, 1)
                    + "  copy 1: rank 2 on simt:2, rank 3 on simt:3" + pair.formatted(2, 3)), two.out());
            Run one = Run.of(with(command, "--tensor-parallel-size", 1));
            assertTrue(one.out().endsWith("  copy 3: rank 3 on simt:3\n  no peer access between simt:0 and simt:1, so "
                    + "NCCL adds the gradients of the copies in training\n"), one.out());
            assertEquals("ingrain: --deterministic: true, expected false: no peer access between simt:0 and simt:1, so"
                    + " only NCCL can add their values, and its order of summation is not fixed",
                    Run.of("generate", "--model", LAB, "--prompt", "a", "--device", "simt:0,1",
                            "--tensor-parallel-size", 2, "--deterministic").complaint());
            assertEquals("ingrain: --device: simt:0,1,1,2, expected each device once: no peer access between "
                    + "simt:0 and simt:1, so NCCL is needed, which allows one rank per device",
                    Run.of("devices", "--model", LAB, "--device", "simt:0,1,1,2", "--tensor-parallel-size", 4)
                            .complaint());
        } finally {
            Emulator.setPeers(true);
        }
    }

    private static Object[] with(List<Object> command, Object... more) {
        List<Object> words = new ArrayList<>(command);
        words.addAll(List.of(more));
        return words.toArray();
    }

    private static String[] fourDevices(String reason) {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            lines.add("memory of simt:" + i + ": needs \\S+ GiB \\(weights \\S+, cache \\S+, workspace \\S+, "
                    + "adapter \\S+,( driver \\S+,)? training \\S+\\), \\S+ GiB free");
        }
        lines.add("devices: simt:0,1,2,3: 2 copies of the model, each over 2 devices \\(" + reason + "\\)");
        lines.add("  copy 0: rank 0 on simt:0, rank 1 on simt:1");
        lines.add("  copy 1: rank 2 on simt:2, rank 3 on simt:3");
        return lines.toArray(String[]::new);
    }

    /** Asserts that the last lines of a text match the patterns. */
    private static void assertMatches(String text, String... patterns) {
        List<String> lines = text.lines().toList();
        assertTrue(lines.size() >= patterns.length, text);
        List<String> last = lines.subList(lines.size() - patterns.length, lines.size());
        for (int i = 0; i < patterns.length; i++) {
            assertTrue(last.get(i).matches(patterns[i]), last.get(i) + " in " + text);
        }
    }
}
