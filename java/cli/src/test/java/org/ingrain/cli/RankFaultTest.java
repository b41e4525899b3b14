package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.NativeLibraries;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A distillation over several ranks fails or is killed while it samples or trains. It is resumed with another number of
 * ranks. Finished rows do not change. Questions, samples, ledger and training rows equal those of an uninterrupted run
 * on one rank. All runs use an RMSNorm kernel that fails, or kills its process, if a marker file exists.
 */
@Timeout(600)
class RankFaultTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final List<Object> ONE = List.of("--threads", 1);
    private static final List<Object> FOUR = List.of("--tensor-parallel-size", 2, "--data-parallel-size", 2);
    /**
     * A marker file for sampling contains a number of calls. After this number of calls, the kernel waits until
     * finished rows have been written, and then fails. Marker files for training take effect after the first training
     * step.
     */
    private static final String FAULTS = """
            #include <bit>
            #include <atomic>
            #include <csignal>
            #include <fstream>
            #include <unistd.h>
            namespace {
            std::atomic<int> calls{0};
            bool written(const char* file) { return std::ifstream(file).peek() != EOF; }
            bool due(const char* marker) {
              int after = 0;
              if (!(std::ifstream(marker) >> after) || ++calls <= after) return false;
              for (int i = 0; i < 10000 && !written("RUN/samples.jsonl.log"); ++i) usleep(1000);
              return true;
            }
            bool trains(const char* marker) { return written(marker) && written("RUN/training/metrics.jsonl"); }
            ingrain_status fault(ingrain_context* ctx, const char* text, ingrain_status status) {
              ingrain_set_error(ctx, text);
              return status;
            }
            }  // namespace
            """;
    private static final String CHECKS = """
            {
              if (due("TEMP/kill") || trains("TEMP/kill-training")) kill(getpid(), SIGKILL);
              if (due("TEMP/memory")) return fault(ctx, "no memory is left", INGRAIN_OUT_OF_MEMORY);
              if (trains("TEMP/device")) return fault(ctx, "its device is gone", INGRAIN_DEVICE_ERROR);
              return run(float{});
            }
            """;

    @TempDir
    private static Path temp;
    private static Path kernel;
    private static Path alone;
    /** Run folder of the current test. After the test it is renamed. */
    private static Path run;

    @BeforeAll
    static void runAlone() throws Exception {
        run = temp.resolve("run");
        alone = temp.resolve("alone");
        String text = KernelSources.changed("return run(float{});", CHECKS).replace("#include <bit>\n", FAULTS)
                .replace("TEMP", temp.toString()).replace("RUN", run.toString());
        Path source = KernelSources.write(temp, "faults.cc", text);
        kernel = temp.resolve("faults.so");
        List<String> command = List.of("g++", "-shared", "-fPIC", "-std=c++20", "-I",
                Path.of(System.getProperty("ingrain.root"), "native", "include").toString(), "-o", kernel.toString(),
                source.toString(), NativeLibraries.find("cpu").toString());
        assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor(), String.join(" ", command));
        Run undisturbed = distill(alone, ONE);
        assertEquals(0, undisturbed.status(), undisturbed.err());
    }

    @AfterEach
    void moveAway(TestInfo test) throws IOException {
        Files.move(run, temp.resolve(test.getDisplayName().replaceAll("\\W", "")));
    }

    private static List<Object> command(Path output, List<Object> ranks) {
        List<Object> words = new ArrayList<>(List.of("distill", "--model", LAB, "--task", "last-letter", "--generate",
                28, "--test-size", 4, "--method", "direct", "--n", 4, "--majority", "all", "--target", "response",
                "--max-tokens", 8, "--max-sequences", 4, "--max-steps", 4, "--rank", 2, "--batch-size", 2,
                "--gradient-accumulation", 2, "--kernel", "rms_norm=" + kernel, "--output", output));
        words.addAll(ranks);
        return words;
    }

    private static Run distill(Path output, List<Object> ranks) {
        return Run.of(command(output, ranks).toArray());
    }

    private void assertEndsLikeOneRank(List<Object> ranks) throws IOException {
        Run last = distill(run, ranks);
        assertEquals(0, last.status(), last.err());
        for (String file : List.of("data/pool.jsonl", "samples.jsonl", "ledger.jsonl", "train.jsonl")) {
            assertEquals(Files.readString(alone.resolve(file)), Files.readString(run.resolve(file)), file);
        }
        assertEquals(4, Files.readAllLines(run.resolve("training/metrics.jsonl")).size());
    }

    /** The finished rows. Until sampling ends, the rows are in the log; then they are in samples.jsonl. */
    private List<String> samples() throws IOException {
        Path log = run.resolve("samples.jsonl.log");
        String text = Files.readString(Files.exists(log) ? log : run.resolve("samples.jsonl"));
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    }

    private static void assertOneLine(Run run, int status, String pattern) {
        assertEquals(status, run.status(), run.err());
        assertTrue(run.complaint().matches(pattern), run.complaint());
        assertEquals(1, run.complaints().size(), run.err());
        assertFalse(run.err().contains("\tat "), run.err());
    }

    @Test
    void aRunGoesOnAfterARankFailed() throws IOException {
        Path memory = Files.writeString(temp.resolve("memory"), "80");
        assertOneLine(distill(run, FOUR), 2, "ingrain: rank \\d on cpu: rms_norm_forward: no memory is left");
        List<String> kept = samples();
        assertTrue(!kept.isEmpty() && !Files.exists(run.resolve("samples.jsonl")), "failed while sampling");
        Files.delete(memory);

        Path device = Files.writeString(temp.resolve("device"), "x");
        assertOneLine(distill(run, List.of("--tensor-parallel-size", 4)), 1,
                "ingrain: BackendException: rank \\d on cpu: rms_norm_forward: its device is gone \\(--debug .*\\)");
        List<String> all = samples();
        assertTrue(all.containsAll(kept), "finished rows are kept");
        System.out.println("failed after " + kept.size() + " of " + all.size() + " rows");
        Files.delete(device);

        assertEndsLikeOneRank(List.of("--data-parallel-size", 2));
    }

    @Test
    void aRunGoesOnAfterItWasKilled() throws Exception {
        List<String> first = killed("kill", "80", FOUR);
        List<String> second = killed("kill", "60", ONE);
        assertTrue(!first.isEmpty() && second.containsAll(first) && second.size() > first.size(), "rows are kept");
        assertFalse(Files.exists(run.resolve("samples.jsonl")), "both were killed while sampling");
        List<String> all = killed("kill-training", "x", FOUR);
        assertTrue(all.containsAll(second), "finished rows are kept");
        System.out.println("killed after " + first.size() + ", " + second.size() + ", " + all.size() + " rows");
        assertEndsLikeOneRank(ONE);
    }

    /** Runs the distillation in a process, which must end by SIGKILL. Returns the finished rows. */
    private List<String> killed(String name, String content, List<Object> ranks) throws Exception {
        Path marker = Files.writeString(temp.resolve(name), content);
        List<String> words = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1",
                "-Dingrain.root=" + System.getProperty("ingrain.root"), "-cp",
                System.getProperty("java.class.path"), Main.class.getName()));
        command(run, ranks).forEach(word -> words.add(word.toString()));
        Path output = temp.resolve("output.txt");
        Process process = new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(output.toFile()).start();
        int status = process.waitFor();
        assertEquals(128 + 9, status, Files.readString(output));
        Files.delete(marker);
        return samples();
    }
}
