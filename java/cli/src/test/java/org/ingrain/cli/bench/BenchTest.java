package org.ingrain.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.cli.KernelSources;
import org.ingrain.cli.Run;
import org.ingrain.cli.TinyModelFolder;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests that `bench` prints one row for every finished measurement, and that it counts the steps of a prompt. */
class BenchTest {
    private static final String NO_MEMORY = """
            #include "ingrain.h"
            extern "C" INGRAIN_API ingrain_status ingrain_adamw(ingrain_context* ctx, float*, float*, float*, const float*, int64_t, int64_t,
                                                                float, float, float, float, float) {
              ingrain_set_error(ctx, "no memory for moments");
              return INGRAIN_OUT_OF_MEMORY;
            }
            INGRAIN_EXPORT_OP(adamw)
            """;

    @TempDir
    private static Path model;

    @TempDir
    private Path temp;

    @BeforeAll
    static void writeModel() throws IOException {
        TinyModelFolder.write(model);
    }

    private static Run bench(Object... flags) {
        List<Object> words = new ArrayList<>(List.of("bench", "--model", model, "--json"));
        words.addAll(Arrays.asList(flags));
        if (!words.contains("--repetitions")) {
            words.addAll(List.of("--repetitions", 1));
        }
        return Run.of(words.toArray());
    }

    private static List<JsonNode> rows(String json) {
        return new ArrayList<>(JsonMapper.shared().readTree(json).values());
    }

    private static List<String> tests(List<JsonNode> rows) {
        return rows.stream().map(row -> row.get("test").stringValue()).toList();
    }

    @Test
    void everyKindOfTestHasItsRow() throws IOException {
        Path output = temp.resolve("rows.json");
        Run run = bench("--prompt-tokens", 20, "--generate-tokens", 4, "--n", "1,5", "--requests", 3, "--train-tokens",
                16, "--output", output);
        assertEquals(0, run.status(), run.err());
        assertEquals("", run.out());
        List<JsonNode> rows = rows(Files.readString(output));
        assertEquals(List.of("pp20", "tg4", "pp20+tg4x1", "pp20+tg4x5", "3x(pp20+tg4)", "train16"), tests(rows));
        assertEquals(List.of("tg4", "pp20+tg4x1", "pp20+tg4x5"),
                tests(rows.stream().filter(row -> row.has("decode_ts")).toList()));
        for (JsonNode row : rows) {
            assertTrue(row.get("avg_ts").doubleValue() > 0, row::toString);
        }
        JsonNode five = rows.get(3);
        assertEquals(5e9 / five.get("step_ns").doubleValue(), five.get("decode_ts").doubleValue(),
                1e-3 * five.get("decode_ts").doubleValue());
        assertTrue(3 * five.get("step_ns").longValue() < five.get("avg_ns").longValue(),
                "decoding must take less time than prompt and decoding together: " + five);
    }

    @Test
    void samplingHasTheFieldsOfVllm() {
        Run run = bench("--prompt-tokens", 20, "--generate-tokens", 4, "--n", 5, "--requests", 3, "--train-tokens", 16,
                "--repetitions", 2);
        assertEquals(0, run.status(), run.err());
        List<JsonNode> rows = rows(run.out());
        assertFalse(rows.removeLast().has("num_requests"), "the last test is the training");
        assertEquals(List.of(2, 2, 2, 6), rows.stream().map(row -> row.get("num_requests").intValue()).toList());
        assertEquals(List.of(2 * 20, 2 * 4, 2 * (20 + 5 * 4), 2 * 3 * (20 + 4)),
                rows.stream().map(row -> row.get("total_num_tokens").intValue()).toList());
        for (JsonNode row : rows) {
            double seconds = row.get("elapsed_time").doubleValue();
            assertEquals(2e-9 * row.get("avg_ns").longValue(), seconds, 2e-9, row::toString);
            assertEquals(row.get("num_requests").intValue() / seconds, row.get("requests_per_second").doubleValue());
            assertEquals(row.get("total_num_tokens").intValue() / seconds, row.get("tokens_per_second").doubleValue());
        }
    }

    @Test
    void trainingAloneIsMeasured() {
        Run run = bench("--prompt-tokens", 0, "--generate-tokens", 0, "--n", 0, "--train-tokens", 2048);
        assertEquals(0, run.status(), run.err());
        assertEquals(List.of("train" + TinyModelFolder.CONTEXT), tests(rows(run.out())));
    }

    @Test
    void aTestThatFailsLosesNoneBeforeIt() throws IOException {
        Path kernel = KernelSources.write(temp, "full.cc", NO_MEMORY);
        Path output = temp.resolve("rows.json");
        Run run = bench("--prompt-tokens", 8, "--generate-tokens", 2, "--n", 2, "--train-tokens", 16, "--output",
                output, "--kernel", "adamw=" + kernel);
        assertEquals(2, run.status(), run.err());
        assertTrue(run.complaint().contains("no memory for moments"), run.err());
        assertFalse(run.err().contains("\tat "), run.err());
        assertEquals(List.of("pp8", "tg2", "pp8+tg2x2"), tests(rows(Files.readString(output))));
        try (Stream<Path> left = Files.list(temp)) {
            assertTrue(left.noneMatch(file -> file.getFileName().toString().startsWith(".")));
        }
    }

    @Test
    void anOutputThatCannotBeWrittenIsSaidFirst() {
        Run run = bench("--output", temp.resolve("nowhere/rows.json"));
        assertEquals(2, run.status(), run.err());
        assertTrue(run.complaint().contains("nowhere/rows.json: cannot be written"), run.err());
        assertFalse(run.err().contains("repetitions"), "nothing was measured: " + run.err());
    }

    /** Each repetition computes a prompt of 20 tokens. The report contains the number of steps of one repetition. */
    @Test
    void aStepHasAtMostSoManyTokens() {
        assertEquals(1, steps());
        assertEquals(3, steps("--max-batch-tokens", 8));
        assertEquals(2, bench("--max-batch-tokens", 0).status());
    }

    private static int steps(Object... flags) {
        List<Object> words = new ArrayList<>(List.of(
                "--prompt-tokens", 20, "--generate-tokens", 0, "--n", 0, "--train-tokens", 0));
        words.addAll(Arrays.asList(flags));
        Run run = bench(words.toArray());
        assertEquals(0, run.status(), run.err());
        return rows(run.out()).getFirst().get("steps").intValue();
    }

    /** By default, a step has at most 2,048 tokens on a GPU and at most 512 tokens on the CPU. */
    @Test
    void aGpuTakesMoreAtOnce() throws IOException {
        try {
            NativeLibraries.find("simt");
        } catch (InputException e) {
            assumeTrue(false, "Skipped: " + e.getMessage());
        }
        Path config = Files.writeString(temp.resolve("long.json"), TinyModelFolder.config().replace("192", "1024"));
        for (String device : List.of("cpu", "simt")) {
            Run run = Run.of("bench", "--model", config, "--random-weights", "--layers", 1, "--json", "--repetitions",
                    1, "--device", device, "--prompt-tokens", 600, "--generate-tokens", 0, "--n", 0, "--train-tokens",
                    0);
            assertEquals(0, run.status(), run.err());
            assertEquals(device.equals("cpu") ? 2 : 1, rows(run.out()).getFirst().get("steps").intValue(), device);
        }
    }
}
