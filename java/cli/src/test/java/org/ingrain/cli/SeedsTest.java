package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code distill --seeds} makes a run for each seed and a table over all seeds. */
class SeedsTest {
    @TempDir
    private Path temp;

    private Run distill(Path output, Object... more) throws IOException {
        Path model = temp.resolve("model");
        if (Files.notExists(model)) {
            TinyModelFolder.write(model);
        }
        List<Object> words = new ArrayList<>(List.of(
                "distill", "--model", model, "--task", "last-letter", "--generate", 10, "--test-size", 4, "--method",
                "direct", "--n", 2, "--majority", "all", "--target", "response", "--max-tokens", 6, "--max-steps", 1,
                "--rank", 2, "--test-votes", "1,3", "--output", output));
        words.addAll(List.of(more));
        return Run.of(words.toArray());
    }

    @Test
    void eachSeedIsTheRunThatItWouldBeAlone() throws IOException {
        Path both = temp.resolve("both");
        Run run = distill(both, "--seed", 4, "--seeds", 2);
        assertEquals(0, run.status(), run.err());
        assertTrue(run.out().contains(", seeds 4, 5\n"), run.out());
        assertTrue(run.out().contains("#Tokens, k = 3  k = 1 %  k = 3 %  each seed"), run.out());
        Run alone = distill(temp.resolve("alone"), "--seed", 5);
        assertEquals(0, alone.status(), alone.err());
        for (String file : List.of("run.json", "samples.jsonl", "train.jsonl", "evaluation/system-1/samples.jsonl",
                "report.json")) {
            assertEquals(Files.readString(temp.resolve("alone").resolve(file)),
                    Files.readString(both.resolve("seed-5").resolve(file)), file);
        }
        assertFalse(Files.readString(both.resolve("seed-4/samples.jsonl"))
                .equals(Files.readString(both.resolve("seed-5/samples.jsonl"))));
        JsonNode seeds = Json.parse(Files.readString(both.resolve("seeds.json")), "seeds");
        assertEquals(2, seeds.path("rows").path(0).path("accuracies").size());
        assertTrue(Files.readString(both.resolve("seeds.md")).contains("2 seeds"));
        Run again = distill(temp.resolve("alone"), "--seed", 5, "--seeds", 2);
        assertEquals(2, again.status(), again.err());
        assertEquals("ingrain: " + temp.resolve("alone")
                + ": a file or the folder of one run, expected a folder for the runs of 2 seeds", again.complaint());
    }

    /**
     * There is one question, with two answers of one token each. The two answers are equal only for some of the seeds.
     */
    @Test
    void aSeedThatKeepsNothingDoesNotEndTheOthers() throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Path pool = Files.writeString(temp.resolve("pool.jsonl"), "{\"question\": \"Is it?\"}\n");
        Path test = Files.writeString(temp.resolve("test.jsonl"), "{\"question\": \"Is it so?\", \"answer\": \"7\"}\n");
        List<Object> words = List.of("distill", "--model", model, "--task", "question-answer", "--data", pool,
                "--test-data", test, "--method", "direct", "--n", 2, "--max-tokens", 1, "--max-steps", 1,
                "--warmup-steps", 1, "--rank", 2, "--seeds", 8);
        Path output = temp.resolve("some");
        Run some = Run.of(with(words, "--temperature", 1, "--top-k", 2, "--output", output));
        assertEquals(0, some.status(), some.err());
        List<Integer> kept = new ArrayList<>();
        List<String> without = new ArrayList<>();
        for (int seed = 1; seed <= 8; seed++) {
            if (Files.exists(output.resolve("seed-" + seed + "/report.json"))) {
                kept.add(seed);
            } else {
                without.add(String.valueOf(seed));
                assertTrue(some.err().contains("ingrain: seed " + seed
                        + ": nothing to train on: curation kept none of 1 examples"), some.err());
            }
        }
        assertTrue(!kept.isEmpty() && !without.isEmpty(),
                "seeds " + kept + " kept an example, expected some seeds but not all");
        assertTrue(some.out().contains("; curation kept nothing with seed " + String.join(", ", without) + "\n"),
                some.out());
        JsonNode seeds = Json.parse(Files.readString(output.resolve("seeds.json")), "seeds");
        assertEquals(kept.size(), seeds.path("rows").path(0).path("accuracies").size());
        assertEquals(without.size(), seeds.path("nothingKept").size());
        assertTrue(
                some.err().contains(
                        "train: --warmup-steps 1 is not less than the number of steps, 1: the learning rate never "
                        + "reaches --learning-rate\n"), some.err());
        Run none = Run.of(with(words, "--answer-format", "number", "--output", temp.resolve("none")));
        assertEquals(3, none.status(), none.err());
        assertFalse(Files.exists(temp.resolve("none/seeds.json")));
    }

    private static Object[] with(List<Object> words, Object... more) {
        return Stream.concat(words.stream(), Stream.of(more)).toArray();
    }

    @Test
    void noSeedsAndTooManyAreRefused() throws IOException {
        for (int seeds : List.of(0, 2_000_000_000)) {
            Run run = distill(temp.resolve("run"), "--seeds", seeds);
            assertEquals(2, run.status());
            assertEquals("ingrain: --seeds: " + seeds + ", expected 1 to 1000", run.complaint());
        }
        Run last = distill(temp.resolve("run"), "--seed", Long.MAX_VALUE, "--seeds", 2);
        assertEquals(2, last.status());
        assertEquals("ingrain: --seed: 9223372036854775807, expected at most 9223372036854775805 for 2 seeds",
                last.complaint());
    }
}
