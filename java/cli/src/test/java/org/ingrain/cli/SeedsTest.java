package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.run.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code distill --seeds}: a run for each, and the table over them beside. */
class SeedsTest {
    @TempDir
    private Path temp;

    private Run distill(Path output, Object... more) throws IOException {
        Path model = temp.resolve("model");
        if (Files.notExists(model)) {
            TinyModelFolder.write(model);
        }
        List<Object> words = new ArrayList<>(List.of("distill", "--model", model, "--task", "last-letter", "--generate", 10, "--test-size", 4,
                "--method", "direct", "--n", 2, "--majority", "all", "--target", "response", "--max-tokens", 6, "--max-steps", 1, "--rank", 2,
                "--test-votes", "1,3", "--output", output));
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
        for (String file : List.of("run.json", "samples.jsonl", "train.jsonl", "evaluation/system-1/samples.jsonl", "report.json")) {
            assertEquals(Files.readString(temp.resolve("alone").resolve(file)), Files.readString(both.resolve("seed-5").resolve(file)), file);
        }
        assertFalse(Files.readString(both.resolve("seed-4/samples.jsonl")).equals(Files.readString(both.resolve("seed-5/samples.jsonl"))));
        JsonNode seeds = Json.parse(Files.readString(both.resolve("seeds.json")), "seeds");
        assertEquals(2, seeds.path("rows").path(0).path("accuracies").size());
        assertTrue(Files.readString(both.resolve("seeds.md")).contains("2 seeds"));
        Run again = distill(temp.resolve("alone"), "--seed", 5, "--seeds", 2);
        assertEquals(2, again.status(), again.err());
        assertEquals("ingrain: " + temp.resolve("alone") + ": holds one run or is a file, expected a folder for the runs of 2 seeds",
                again.complaint());
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
        assertEquals("ingrain: --seed: 9223372036854775807, expected at most 9223372036854775805 beside --seeds 2", last.complaint());
    }
}
