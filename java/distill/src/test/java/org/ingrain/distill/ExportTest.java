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
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.export.RunExport;
import org.ingrain.distill.export.ExportFormat;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Tests that exported rows have the columns that other trainers expect, and that the pairs follow from the votes in the
 * ledger.
 */
class ExportTest {
    @TempDir
    private Path base;

    private Path run;

    @BeforeEach
    void distil() {
        distil(Target.ANSWER);
    }

    private void distil(Target target) {
        run = base.resolve("run-" + target);
        CurationConfig curation = new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, false, target, 0.25, 1);
        Runs.run(Runs.with(Runs.config(Runs.letters(60, 5), List.of(1, 8), List.of()), curation), base,
                "run-" + target, FakeModel.with(2));
    }

    private List<JsonNode> export(ExportFormat format, boolean validation) {
        Path file = base.resolve(format + " " + validation + ".jsonl");
        int rows = new RunExport(run).write(format, validation, file);
        List<JsonNode> read = JsonLines.read(file, JsonNode.class);
        assertEquals(rows, read.size());
        return read;
    }

    private static String content(JsonNode messages, int at) {
        return messages.path(at).path("content").asString();
    }

    @Test
    void rowsHaveTheColumnsOfEachFormat() throws IOException {
        TrainingRow row = JsonLines.read(run.resolve("train.jsonl"), TrainingRow.class).getFirst();
        String question = row.prompt().getFirst().content();
        JsonNode trl = export(ExportFormat.TRL, false).getFirst();
        assertEquals("assistant", trl.path("completion").path(0).path("role").asString());
        assertEquals(row.completion(), content(trl.path("completion"), 0));
        assertEquals(question, content(trl.path("prompt"), 0));
        assertEquals(Files.readString(run.resolve("train.jsonl")), Files.readString(base.resolve("TRL false.jsonl")));
        JsonNode messages = export(ExportFormat.TRL_MESSAGES, false).getFirst().path("messages");
        assertEquals(List.of(question, row.completion()), List.of(content(messages, 0), content(messages, 1)));
        JsonNode alpaca = export(ExportFormat.ALPACA, false).getFirst();
        assertEquals(List.of("instruction", "input", "output"), List.copyOf(alpaca.propertyNames()));
        assertEquals(question, alpaca.path("instruction").asString());
        JsonNode turns = export(ExportFormat.SHAREGPT, false).getFirst().path("conversations");
        assertEquals("human", turns.path(0).path("from").asString());
        assertEquals("gpt", turns.path(1).path("from").asString());
        assertEquals(row.completion(), turns.path(1).path("value").asString());
    }

    @Test
    void pairsAreTheKeptAnswerAndTheOneWithTheSecondMostVotes() {
        List<Entry> split = new ArrayList<>();
        JsonLines.forEach(run.resolve("ledger.jsonl"), Entry.class, entry -> {
            if (entry.kept() && entry.votes().size() > 1) {
                split.add(entry);
            }
        });
        List<JsonNode> pairs = new ArrayList<>(export(ExportFormat.DPO, false));
        int train = pairs.size();
        pairs.addAll(export(ExportFormat.DPO, true));
        assertTrue(train > 3 && pairs.size() > train, train + " of " + pairs.size());
        assertEquals(split.size(), pairs.size());
        for (Entry entry : split) {
            JsonNode pair = pairs.stream().filter(each -> content(each.path("prompt"), 0).equals(entry.question()))
                    .findFirst().orElseThrow();
            assertEquals(entry.label(), content(pair.path("chosen"), 0));
            assertEquals(entry.votes().get(1).answer(), content(pair.path("rejected"), 0));
        }
    }

    @Test
    void pairsOfWholeResponsesHaveWholeResponses() {
        distil(Target.RESPONSE);
        JsonNode pair = export(ExportFormat.DPO, false).getFirst();
        assertTrue(content(pair.path("chosen"), 0).startsWith("The answer is \""), pair.toString());
        assertTrue(content(pair.path("rejected"), 0).startsWith("The answer is \""), pair.toString());
        assertFalse(content(pair.path("rejected"), 0).equals(content(pair.path("chosen"), 0)));
    }

    @Test
    void aDatasetHasBothKindsOfRowsAndACard() throws IOException {
        Path folder = base.resolve("set");
        int rows = new RunExport(run).write(ExportFormat.DATASET, false, folder);
        for (String file : List.of("train.jsonl", "validation.jsonl")) {
            assertEquals(Files.readString(run.resolve(file)), Files.readString(folder.resolve("data/" + file)));
        }
        String card = Files.readString(folder.resolve("README.md"));
        assertTrue(card.startsWith("---\n# license: ") && card.contains("path: data/validation.jsonl\n---\n"), card);
        assertTrue(card.contains("| training rows | " + rows + " |") && card.contains("| task | last-letter |"), card);
        assertThrows(InputException.class, () -> new RunExport(run).write(ExportFormat.DATASET, false, folder));
    }

    @Test
    void anUnfinishedRunAndAForeignFolderAreRefused() throws IOException {
        Path none = Files.createDirectory(base.resolve("none"));
        assertEquals(none + ": no run.json, expected a run folder whose curation kept examples",
                assertThrows(InputException.class, () -> new RunExport(none)).getMessage());
        Files.writeString(run.resolve("train.jsonl"), Files.readString(run.resolve("train.jsonl")).replaceFirst(
                "\"completion\":\\[\\{\"role\":\"assistant\",\"content\":\"..\"",
                "\"completion\":[{\"role\":\"assistant\",\"content\":\"changed\""));
        String message = assertThrows(InputException.class,
                () -> new RunExport(run).write(ExportFormat.DPO, false, base.resolve("pairs"))).getMessage();
        assertTrue(message.startsWith(run.resolve("train.jsonl") + ": the next row does not belong to "), message);
        assertFalse(Files.exists(base.resolve("pairs")));
    }
}
