package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Tests files of a run folder that were edited or damaged between two processes. */
class DamagedRunTest {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    @TempDir(factory = MemoryFolder.class)
    private Path base;

    private DistillConfig<Runs.NoSettings> config;

    @BeforeEach
    void run() {
        config = Runs.config(Runs.letters(6, 2), List.of(2, 1), List.of());
        resume();
    }

    private void resume() {
        Runs.run(config, base, "run", FakeModel.with(1));
    }

    private Path file(String name) {
        return base.resolve("run").resolve(name);
    }

    private String refused() {
        return assertThrows(InputException.class, this::resume).getMessage();
    }

    /** The edit appends a space, which no check of the format can detect. */
    @ParameterizedTest
    @ValueSource(strings = {"samples.jsonl", "ledger.jsonl", "train.jsonl", "validation.jsonl", "training.json",
        "training/metrics.jsonl", "training/adapter/adapter.json", "evaluation/system-2/samples.jsonl",
        "evaluation/distilled/scores.jsonl"})
    void anEditedFileIsRefused(String name) {
        String text = DurableFile.read(file(name));
        DurableFile.write(file(name), text + " ");
        assertEquals(file(name) + ": has been changed since the run made it (its SHA-256 is not that in digests.json), "
                + "expected the same content: restore it or use another run folder", refused());
        DurableFile.write(file(name), text);
        resume();
    }

    @ParameterizedTest
    @ValueSource(strings = {"samples.jsonl", "ledger.jsonl", "evaluation/distilled/scores.jsonl"})
    void aDeletedFileIsMadeAgain(String name) throws IOException {
        SortedMap<String, String> before = Runs.content(base.resolve("run"));
        Files.delete(file(name));
        resume();
        Runs.assertSame(before, base.resolve("run"), name);
    }

    /** Runs of earlier versions have no digests.json. Without this file, every field is still checked. */
    @ParameterizedTest
    @CsvSource({"samples.jsonl, ledger.jsonl", "ledger.jsonl, train.jsonl",
        "evaluation/system-2/scores.jsonl, report.md"})
    void everyDamagedFieldIsNamedByFileAndLine(String name, String next) throws IOException {
        String whole = DurableFile.read(file(name));
        String then = DurableFile.read(file(next));
        String digests = DurableFile.read(file("digests.json"));
        String first = whole.lines().findFirst().orElseThrow();
        int refused = 0;
        for (JsonNode damaged : damaged((ObjectNode) Json.parse(first, name))) {
            Files.delete(file("digests.json"));
            Files.deleteIfExists(file(next));
            DurableFile.write(file(name), Json.line(damaged) + whole.substring(first.length()));
            try {
                resume();
            } catch (InputException e) {
                assertTrue(e.getMessage().startsWith(file(name).toString()), damaged + ": " + e.getMessage());
                refused++;
            }
            DurableFile.write(file(next), then);
            DurableFile.write(file("digests.json"), digests);
        }
        assertTrue(refused >= 3, refused + " refused");
    }

    /**
     * Returns copies of a line. In each copy, either one field is missing (a field of the line or a nested field), or
     * one field of the line has another value.
     */
    private static List<ObjectNode> damaged(ObjectNode line) {
        List<ObjectNode> all = missing(line);
        for (String name : List.copyOf(line.propertyNames())) {
            all.add(line.deepCopy().put(name, 100_000));
            if (line.get(name).isArray()) {
                all.add(line.deepCopy().set(name, NODES.arrayNode().addNull()));
            }
        }
        return all;
    }

    private static List<ObjectNode> missing(ObjectNode line) {
        List<ObjectNode> all = new ArrayList<>();
        for (String name : List.copyOf(line.propertyNames())) {
            all.add((ObjectNode) line.deepCopy().without(name));
            JsonNode value = line.get(name);
            if (value.isArray() && !value.isEmpty() && value.get(0) instanceof ObjectNode inner) {
                missing(inner).forEach(element -> all.add(line.deepCopy().set(name, NODES.arrayNode().add(element))));
            }
        }
        return all;
    }

    @Test
    void damagedMetricsAndTimingsAreNamed() throws IOException {
        Files.delete(file("training.json"));
        DurableFile.write(file("timings.json"), "{}");
        assertEquals(file("timings.json") + ": stages: missing, expected a value", refused());
        DurableFile.write(file("timings.json"), "{\"stages\": {\"train\": null}}");
        assertEquals(file("timings.json") + ": train: missing, expected a value", refused());
        DurableFile.write(file("digests.json"), "{}");
        assertEquals(file("digests.json") + ": files: missing, expected a value", refused());
        assertFalse(Files.exists(file("training.json")));
    }
}
