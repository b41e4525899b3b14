package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.files.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Tests {@code distill STAGE}, {@code distill STAGE RUN}, {@code --from} and {@code --samples}. */
class StagesTest {
    @TempDir
    private Path temp;

    private Path model;

    @BeforeEach
    void write() throws IOException {
        model = TinyModelFolder.write(temp.resolve("model"));
    }

    private Run distill(Object... words) {
        List<Object> all = new ArrayList<>(List.of("distill"));
        all.addAll(List.of(words));
        return Run.of(all.toArray());
    }

    private Run fresh(String output, Object... more) {
        List<Object> words = new ArrayList<>(List.of("--model", model, "--task", "last-letter", "--generate", 10,
                "--test-size", 4, "--method", "direct", "--n", 2, "--majority", "all", "--target", "response",
                "--max-tokens", 6, "--max-steps", 1, "--rank", 2, "--no-per-stage", "--output",
                temp.resolve(output)));
        words.addAll(List.of(more));
        return distill(words.toArray());
    }

    private void assertEqualRuns(String one, String other) throws IOException {
        for (String file : List.of("run.json", "stages.json", "digests.json", "samples.jsonl", "ledger.jsonl",
                "train.jsonl", "training.json", "report.json")) {
            assertEquals(Files.readString(temp.resolve(one).resolve(file)),
                    Files.readString(temp.resolve(other).resolve(file)), file);
        }
    }

    @Test
    void aRunFolderKeepsTheFlagsOfItsStages() throws IOException {
        Run sample = fresh("run", "--seed", 3);
        assertEquals(0, sample.status(), sample.err());
        Run first = fresh("pieces", "sample", "--seed", 3);
        assertEquals(0, first.status(), first.err());
        assertEquals("ended after sample\n", first.out());
        JsonNode flags = Json.parse(Files.readString(temp.resolve("pieces/recipe.json")), "recipe").path("flags");
        assertEquals(model.toString(), flags.path("model").asString());
        assertEquals(3, flags.path("seed").asInt());
        assertFalse(flags.has("output") || flags.path("per-stage").asBoolean());
        Run curate = distill("curate", temp.resolve("pieces"));
        assertEquals(0, curate.status(), curate.err());
        assertTrue(curate.out().startsWith("ended after curate; "), curate.out());
        assertFalse(curate.err().contains("load: "), "curation needs no weights: " + curate.err());
        assertEquals(0, distill("train", temp.resolve("pieces")).status());
        Run evaluate = distill("evaluate", temp.resolve("pieces"));
        assertEquals("ended after evaluate", evaluate.out().strip().split(";")[0]);
        Run report = distill("report", temp.resolve("pieces"), "--threads", 1);
        assertEquals(0, report.status(), report.err());
        assertFalse(report.err().contains("load: "), "the stage report must not load weights: " + report.err());
        assertEquals(sample.out(), report.out());
        assertEqualRuns("run", "pieces");
        Run again = distill("--recipe", temp.resolve("pieces/recipe.json"), "--output", temp.resolve("again"));
        assertEquals(0, again.status(), again.err());
        assertEqualRuns("run", "again");
    }

    @Test
    void otherSettingsTakeTheSamplesOver() throws IOException {
        assertEquals(0, fresh("run").status());
        Run same = fresh("run", "--train-seed", 9);
        assertEquals(2, same.status());
        assertEquals("ingrain: --output: " + temp.resolve("run") + ": this run folder was made with train.train.seed "
                + "1, now it is 9; use the same settings, or use another folder and take over the unchanged stages "
                + "with --from " + temp.resolve("run"), same.complaint());
        Run other = fresh("other", "--train-seed", 9, "--from", temp.resolve("run"));
        assertEquals(0, other.status(), other.err());
        assertTrue(other.err().contains("sample: taken over from " + temp.resolve("run") + "\n"), other.err());
        assertTrue(other.err().contains("train: not taken over from " + temp.resolve("run")
                + ": made with train.train.seed 1, now it is 9\n"), other.err());
        assertEquals(0, fresh("whole", "--train-seed", 9).status());
        assertEqualRuns("whole", "other");
        Run nothing = fresh("nothing", "--seed", 7, "--from", temp.resolve("run"));
        assertEquals("ingrain: --from: " + temp.resolve("run") + ": nothing can be taken over: made with "
                + "sample.params.seed 1, now it is 7", nothing.complaint());
        assertFalse(Files.exists(temp.resolve("nothing")));
    }

    @Test
    void severalSeedsTakeOverEachTheirOwn() {
        assertEquals(0, fresh("seeds", "--seeds", 2).status());
        Run other = fresh("others", "--seeds", 2, "--learning-rate", 1e-3, "--from", temp.resolve("seeds"));
        assertEquals(0, other.status(), other.err());
        assertTrue(other.err().contains("sample: taken over from " + temp.resolve("seeds/seed-2")), other.err());
        assertEquals(0, distill("report", temp.resolve("others/seed-2")).status());
    }

    @Test
    void importedAnswersNeedNoNumberOfSamples() throws IOException {
        Path answers = Files.writeString(temp.resolve("answers.jsonl"), """
                {"id": "000002", "text": "first"}
                {"id": "000002", "text": "second"}
                """);
        Run run = distill("--model", model, "--task", "last-letter", "--generate", 2, "--test-size", 1, "--method",
                "direct", "--samples", answers, "--majority", "all", "--target", "response", "--max-tokens", 4,
                "--max-steps", 1, "--rank", 2, "--output", temp.resolve("run"));
        assertTrue(run.status() == 0 || run.status() == 3, run.err());
        assertTrue(run.err().contains("from answers.jsonl (answers, SHA-256 "), run.err());
        assertEquals(2, Json.parse(Files.readString(temp.resolve("run/run.json")), "run")
                .at("/settings/sample/samples/0").asInt());
    }

    @Test
    void unknownStagesAndFoldersAreRefused() {
        assertEquals("ingrain: STAGE: 'runs', expected one of sample, curate, train, evaluate, report",
                fresh("run", "runs").complaint());
        assertEquals("ingrain: " + temp + ": no recipe.json there, expected the folder of a run",
                distill("curate", temp).complaint());
    }
}
