package org.ingrain.train;

import static org.ingrain.train.TrainingFixture.TRAIN;
import static org.ingrain.train.TrainingFixture.assertSameFiles;
import static org.ingrain.train.TrainingFixture.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainerTest {
    @TempDir
    Path folder;

    @Test
    void learnsAndChoosesTheBestValidation() throws IOException {
        List<TrainProgress.Step> heard = new ArrayList<>();
        TrainReport report = TrainingFixture.lora(folder.resolve("run"), 2, TRAIN, heard::add);
        assertTrue(report.lastLoss() < 0.9 * report.firstLoss(), report.toString());
        assertEquals(28, report.rows());
        assertEquals(report.steps(), heard.size());
        assertEquals(report.steps(), heard.getLast().of());
        double best = Double.MAX_VALUE;
        int bestStep = 0;
        for (String line : Files.readAllLines(folder.resolve("run/metrics.jsonl"))) {
            var metric = Json.parse("metrics.jsonl", line);
            if (metric.has("validation_loss") && metric.get("validation_loss").doubleValue() < best) {
                best = metric.get("validation_loss").doubleValue();
                bestStep = metric.get("step").intValue();
            }
        }
        assertEquals(best, report.validationLoss());
        assertEquals(bestStep, report.chosenStep());
    }

    @Test
    void oneThreadAndTwoWriteTheSameBytes() {
        TrainingFixture.lora(folder.resolve("one"), 1, TRAIN, TrainProgress.SILENT);
        TrainingFixture.lora(folder.resolve("two"), 2, TRAIN, TrainProgress.SILENT);
        assertSameFiles(folder.resolve("one"), folder.resolve("two"));
    }

    @Test
    void keepsTheLatestCheckpointsAndTheBest() {
        TrainReport report = TrainingFixture.lora(folder.resolve("run"), 2, TRAIN, TrainProgress.SILENT);
        List<String> kept = TrainingFixture.names(folder.resolve("run/checkpoints")).stream().map(name -> name.split("/")[0]).distinct().toList();
        assertTrue(kept.contains("step-" + report.chosenStep()) && kept.contains("step-" + report.steps()), kept.toString());
        assertTrue(kept.size() <= 3, kept.toString());
    }

    private void refused(String expected, Path output, TrainConfig train) {
        String message = assertThrows(InputException.class, () -> TrainingFixture.lora(output, 1, train, TrainProgress.SILENT)).getMessage();
        assertTrue(message.contains(expected) && !message.contains("\n"), message);
    }

    @Test
    void refusesAFolderMadeWithOtherSettings() {
        TrainConfig few = new TrainConfig(1, 1, 2, 1, 17, 0, 0, 2, false);
        TrainingFixture.lora(folder.resolve("run"), 1, few, TrainProgress.SILENT);
        List<String> before = TrainingFixture.names(folder.resolve("run"));
        refused("batch-size 2, now it is 3", folder.resolve("run"), new TrainConfig(1, 1, 3, 1, 17, 0, 0, 2, false));
        refused("seed 17, now it is 18", folder.resolve("run"), new TrainConfig(1, 1, 2, 1, 18, 0, 0, 2, false));
        assertEquals(before, TrainingFixture.names(folder.resolve("run")));
    }

    @Test
    void refusesAFolderOfSomethingElse() throws IOException {
        Files.writeString(folder.resolve("thesis.tex"), "mine");
        refused("thesis.tex", folder, TRAIN);
        assertEquals(List.of("thesis.tex"), TrainingFixture.names(folder));
        refused("is a file", folder.resolve("thesis.tex"), TRAIN);
    }

    @Test
    void refusesAFolderInUse() {
        Path output = folder.resolve("run");
        try (TrainingFolder held = TrainingFolder.open(output, RunSettings.of(run(output, TRAIN), TrainingFixture.LORA))) {
            held.log("held");
            refused("in use", output, TRAIN);
        }
    }

    @Test
    void saysWhenTheLossIsNoNumber() {
        OptimizerConfig wild = new OptimizerConfig(1e30, 0.9, 0.99, 1e-8, 0, 0, Schedule.CONSTANT, 0, 0);
        try (Golden golden = new Golden("tied", 1)) {
            TrainingRun run = run(folder.resolve("run"), TRAIN);
            TrainingRun wilder = new TrainingRun(run.output(), run.data(), wild, run.train(), run.provenance());
            try (Trainer trainer = Trainer.lora(golden.context, golden.weights(), TrainingFixture.LORA, "base", wilder)) {
                String message = assertThrows(InputException.class, () -> trainer.train(TrainProgress.SILENT)).getMessage();
                assertTrue(message.startsWith("--learning-rate: ") && message.contains("NaN"), message);
            }
        }
    }
}
