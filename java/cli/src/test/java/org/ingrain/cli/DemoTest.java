package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Runs the whole demo on the shipped model with few questions. System 2 answers all test questions correctly, and the
 * distilled student needs less than a third of System 2's tokens. CI also runs the demo with all questions, because the
 * demo is the first command of the README.
 */
class DemoTest {
    @TempDir
    private Path temp;

    @Test
    @Tag("long")
    void distilsBothTasks() throws IOException {
        Run run = Run.of("demo", "--output", temp, "--pool-size", 12, "--test-size", 6);
        assertEquals(0, run.status(), run.err());
        for (String task : List.of("last-letter", "coin-flip")) {
            assertTrue(run.out().contains(task + ", 2-step RaR: 12 questions distilled on, 6 held out\n"), run.out());
            assertTrue(Files.exists(temp.resolve(task).resolve("report.html")));
            JsonNode arms = Json.parse(Files.readString(temp.resolve(task).resolve("report.json")), "report")
                    .path("arms");
            assertEquals(List.of("system-1", "system-2", "distilled-system-1", "unfiltered", "distilled"),
                    arms.valueStream().map(arm -> arm.path("name").asString()).toList());
            assertEquals(6, arms.path(1).path("right").asInt(),
                    "all questions on held-out words are answered correctly in two steps");
            assertTrue(3 * arms.path(4).path("tokens").asDouble() < arms.path(1).path("tokens").asDouble(), task);
        }
        assertEquals(run.out(), Run.of("demo", "--output", temp, "--pool-size", 12, "--test-size", 6).out(),
                "finished work is not repeated");
    }
}
