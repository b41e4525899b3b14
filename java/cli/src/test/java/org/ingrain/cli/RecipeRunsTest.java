package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.cli.flags.Home;
import org.ingrain.files.Json;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Runs each shipped recipe from its data to its report, with few rows in the published formats. The model gives the
 * same answer to every prompt. Every task and every method of the recipes accepts this answer.
 */
class RecipeRunsTest {
    private static final String ANSWER = "3\n3\nThe answer is \"no\". Response 0 [[C]]";
    private static final List<Object> SMALL = List.of("--max-tokens", 4, "--rank", 2, "--epochs", 1,
            "--warmup-steps", 0, "--batch-size", 2);

    @TempDir
    private static Path temp;

    private static Path model;

    @BeforeAll
    static void write() throws IOException {
        model = TinyModelFolder.writeConstant(temp.resolve("model"), ANSWER, 8192);
    }

    @Test
    void noRecipeIsMissing() throws IOException {
        try (Stream<Path> files = Files.list(Home.models().resolve("recipes"))) {
            assertEquals(List.of("bsm-oasst2", "cot-gsm8k", "rar-coin-flip", "rar-coin-flip-suffix", "rar-last-letter",
                    "s2a-sycophancy"), files.map(file -> file.getFileName().toString().replace(".json", "")).sorted()
                    .toList(), "each recipe has a test here");
        }
    }

    private static Path resource(String name) throws IOException {
        Path file = temp.resolve(name);
        try (InputStream in = RecipeRunsTest.class.getResourceAsStream("recipes/" + name)) {
            return Files.write(file, in.readAllBytes());
        }
    }

    /** Runs a recipe and returns its report. For several seeds, this is the report of the first seed. */
    private static JsonNode run(String recipe, Object... more) throws IOException {
        Path output = temp.resolve("runs/" + recipe);
        List<Object> words = new ArrayList<>(List.of("distill", "--recipe", recipe, "--model", model, "--output",
                output));
        words.addAll(SMALL);
        words.addAll(Arrays.asList(more));
        Run run = Run.of(words.toArray());
        assertEquals(0, run.status(), run.err());
        Path report = Files.exists(output.resolve("seeds.json")) ? output.resolve("seed-1") : output;
        assertTrue(Files.exists(report.resolve("report.html")));
        return Json.parse(Files.readString(report.resolve("report.json")), "report");
    }

    private static List<String> arms(JsonNode report) {
        return report.path("arms").valueStream().map(arm -> arm.path("title").asString()).toList();
    }

    private static int lines(String file) throws IOException {
        return Files.readAllLines(temp.resolve("runs").resolve(file)).size();
    }

    private static final List<String> TABLE_1 = List.of("System 1", "2-step RaR", "1-step RaR", "Distilled System 1",
            "Distilled 2-step RaR, no filter", "Distilled 2-step RaR");

    /** Half of the questions that are not held out are for training, half for validation. */
    @Test
    void lastLetters() throws IOException {
        assertEquals(TABLE_1, arms(run("rar-last-letter", "--generate", 12, "--test-size", 4, "--n", "3,1")));
        assertEquals(List.of(4, 4), List.of(lines("rar-last-letter/train.jsonl"),
                lines("rar-last-letter/validation.jsonl")));
    }

    @Test
    void coins() throws IOException {
        assertEquals(TABLE_1, arms(run("rar-coin-flip", "--generate", 18, "--test-size", 4, "--n", "2,2")));
        assertEquals(List.of(12, 2), List.of(lines("rar-coin-flip/train.jsonl"),
                lines("rar-coin-flip/validation.jsonl")));
    }

    /** All weights are trained, not adapters. */
    @Test
    void coinsWithTheSuffix() throws IOException {
        assertEquals(TABLE_1, arms(run("rar-coin-flip-suffix", "--generate", 10, "--test-size", 2, "--n", "2,2",
                "--full", "--learning-rate", "5.5e-6")));
        assertTrue(Files.readString(temp.resolve("runs/rar-coin-flip-suffix/train.jsonl"))
                .contains("still heads up? Flip means reverse.\""));
    }

    @Test
    void sycophancy() throws IOException {
        JsonNode report = run("s2a-sycophancy", "--data", resource("answer.jsonl"), "--test-size", 8, "--n", "2,1",
                "--seeds", 2);
        assertEquals(List.of("System 1", "S2A", "Distilled S2A, no filter", "Distilled S2A"), arms(report));
        String page = Files.readString(temp.resolve("runs/s2a-sycophancy/seed-1/report.md"));
        assertTrue(page.contains("\n| biased: S2A | 0.0 | 0.0 - 39.0 | 4.0 | 6 |\n"), page);
        JsonNode categories = report.path("arms").path(0).path("categories");
        assertEquals(List.of(6, 2), List.of(categories.path("biased").path("questions").asInt(),
                categories.path("unbiased").path("questions").asInt()));
    }

    /** Each of the two test files has its own table. */
    @Test
    void judging() throws IOException {
        JsonNode report = run("bsm-oasst2", "--data", resource("oasst2-train.jsonl"), "--test-data",
                resource("oasst2-validation.jsonl"), "--test-data", resource("mt-bench-human.parquet"));
        assertEquals(List.of("System 1", "BSM", "CoT", "Distilled BSM"), arms(report));
        JsonNode sets = report.path("arms").path(0).path("sets");
        assertEquals(List.of("oasst2-validation", "mt-bench-human"), List.copyOf(sets.propertyNames()));
        assertEquals(List.of(2, 6), sets.valueStream().map(set -> set.path("questions").asInt()).toList());
        assertEquals(0, sets.path("mt-bench-human").path("judging").path("inconsistent").asDouble(1));
        assertEquals(0.25, sets.path("mt-bench-human").path("judging").path("agreement").asDouble(), 1e-9);
        String page = Files.readString(temp.resolve("runs/bsm-oasst2/report.md"));
        assertTrue(page.contains("\nQuestions of `mt-bench-human`:\n\n| "), page);
    }

    @Test
    void mathematics() throws IOException {
        String row = "{\"question\": \"What is %d + 2?\", \"answer\": \"It is so. #### %d\"}\n";
        Path data = Files.writeString(temp.resolve("gsm8k_train.jsonl"), row.formatted(1, 3) + row.formatted(2, 4));
        Path test = Files.writeString(temp.resolve("gsm8k_test.jsonl"), row.formatted(3, 5));
        JsonNode report = run("cot-gsm8k", "--data", data, "--test-data", test, "--n", "3,1", "--test-votes", "1,2");
        assertEquals(List.of("System 1", "Zero-shot CoT, two calls", "CoT, eight exemplars",
                "System 1, asked for the number alone", "Bare question", "Distilled Zero-shot CoT, two calls"),
                arms(report));
        assertEquals(2, report.path("arms").path(0).path("votes").size());
    }
}
