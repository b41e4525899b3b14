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
import java.util.Set;
import org.ingrain.checkpoint.Merge;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.files.Json;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.MicroBatchTest;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.FullParameters;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Parameters;
import org.ingrain.train.pass.Schedule;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingFolder;
import org.ingrain.train.run.TrainingRun;
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
            var metric = Json.parse(line, "metrics.jsonl");
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
        List<String> kept = TrainingFixture.names(folder.resolve("run/checkpoints")).stream()
                .map(name -> name.split("/")[0]).distinct().toList();
        assertTrue(kept.contains("step-" + report.chosenStep()) && kept.contains("step-" + report.steps()),
                kept.toString());
        assertTrue(kept.size() <= 3, kept.toString());
    }

    /** The listener ends the run before the first checkpoint. */
    @Test
    void aRunWithoutAResultWritesNoWeights() {
        TrainReport report = TrainingFixture.lora(folder.resolve("run"), 1, TRAIN, new TrainProgress() {
            @Override
            public void trained(Step step) {
            }

            @Override
            public boolean enough(int step) {
                return step == 1;
            }

            @Override
            public boolean wantsResult() {
                return false;
            }
        });
        assertEquals(1, report.steps());
        assertEquals(List.of("metrics.jsonl", "run.json"), TrainingFixture.names(folder.resolve("run")));
    }

    /** A run that continues an adapter starts with the adapter's loss. An adapter with another shape is refused. */
    @Test
    void goesOnFromAnAdapter() throws IOException {
        TrainConfig once = new TrainConfig(1, 0, 28, 1, 17, 0, 0, 1, false);
        TrainReport first = TrainingFixture.lora(folder.resolve("first"), 1, TRAIN, TrainProgress.SILENT);
        double ended = adapterLoss(first.result());
        LoraConfig plain = new LoraConfig(3, 6, 0, LoraConfig.ALL_LINEAR, true);
        try (Golden golden = new Golden("tied", 1)) {
            List<LoraModule> adapter = PeftAdapter.read(first.result(), golden.config).modules();
            TrainingRun second = run(folder.resolve("second"), once);
            try (Trainer trainer = Trainer.lora(golden.weights(), plain, "base", adapter, second)) {
                assertEquals(ended, trainer.train(TrainProgress.SILENT).firstLoss(), 1e-6);
            }
            LoraConfig wider = new LoraConfig(4, 6, 0, LoraConfig.ALL_LINEAR, true);
            TrainingRun third = run(folder.resolve("third"), once);
            String message = assertThrows(InputException.class,
                    () -> Trainer.lora(golden.weights(), wider, "base", adapter, third)).getMessage();
            assertTrue(message.startsWith("adapter: model.layers.0.self_attn.q_proj has rank 3 and scaling "), message);
            LoraConfig fewer = new LoraConfig(3, 6, 0, Set.of(Projection.Q_PROJ), true);
            TrainingRun fourth = run(folder.resolve("fourth"), once);
            assertThrows(InputException.class, () -> Trainer.lora(golden.weights(), fewer, "base", adapter, fourth));
        }
    }

    /** Returns the mean loss on the training rows. The model is the base model with the adapter merged. */
    private double adapterLoss(Path adapter) throws IOException {
        try (Golden golden = new Golden("tied", 1)) {
            Path merged = folder.resolve("merged");
            new Merge(golden.model, PeftAdapter.read(adapter, golden.config)).write(merged, (done, of) -> { });
            try (ModelFolder made = ModelFolder.open(merged)) {
                Weights weights = Weights.load(golden.context, golden.config,
                        new Precision(DType.F32, DType.F32, DType.F32), Rank.SINGLE, made, (done, of) -> { });
                MicroBatch all = MicroBatch.of(TrainingFixture.data().train());
                try (DecoderTraining training = new DecoderTraining(golden.context, weights,
                        FullParameters.load(weights, made), new TrainingMemory(
                                new MicroBatchLimits(all.tokens(), all.sequences(), all.targetCount()), 1))) {
                    return training.loss(all) / all.targetCount();
                }
            }
        }
    }

    private void refused(String expected, Path output, TrainConfig train) {
        String message = assertThrows(InputException.class,
                () -> TrainingFixture.lora(output, 1, train, TrainProgress.SILENT)).getMessage();
        assertTrue(message.contains(expected) && !message.contains("\n"), message);
    }

    @Test
    void refusesAFolderMadeWithOtherSettings() {
        TrainConfig few = new TrainConfig(1, 1, 2, 1, 17, 0, 0, 2, false);
        TrainingFixture.lora(folder.resolve("run"), 1, few, TrainProgress.SILENT);
        List<String> before = TrainingFixture.names(folder.resolve("run"));
        refused("train.batchSize 2, now it is 3", folder.resolve("run"),
                new TrainConfig(1, 1, 3, 1, 17, 0, 0, 2, false));
        refused("train.seed 17, now it is 18", folder.resolve("run"), new TrainConfig(1, 1, 2, 1, 18, 0, 0, 2, false));
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
        try (TrainingFolder held = TrainingFolder.open(
                output, run(output, TRAIN).manifest("lora", TrainingFixture.LORA))) {
            held.log("held");
            refused("in use", output, TRAIN);
        }
    }

    /** A model with random weights learns the pattern, and the written folder can be opened. */
    @Test
    void trainsANewModel() {
        TrainConfig train = new TrainConfig(25, 0, 4, 1, 3, 0, 0, 1, true);
        Blueprint config;
        try (Golden golden = new Golden("untied", 2);
             Trainer trainer = Trainer.fresh(golden.weights(), golden.folder, run(folder.resolve("run"), train))) {
            config = golden.config;
            TrainReport report = trainer.train(TrainProgress.SILENT);
            assertEquals(Math.log(config.vocabSize()), report.firstLoss(), 0.1, "loss of random weights");
            assertTrue(report.lastLoss() < 0.5 * report.firstLoss(), report.toString());
            try (ModelFolder made = ModelFolder.open(report.result())) {
                assertEquals(config, made.config());
                Weights weights = Weights.load(golden.context, config, new Precision(DType.F32, DType.F32, DType.F32),
                        Rank.SINGLE, made, (done, of) -> { });
                Parameters none = FullParameters.load(weights, made);
                double loss = 0;
                int targets = 0;
                try (DecoderTraining training = new DecoderTraining(golden.context, weights, none, new TrainingMemory(
                        new MicroBatchLimits(200, 10, 200), 1))) {
                    MicroBatch all = MicroBatch.of(TrainingFixture.data().validation());
                    loss += training.loss(all);
                    targets += all.targetCount();
                }
                assertEquals(report.validationLoss(), loss / targets, 1e-9);
            }
        }
    }

    @Test
    void refusesRowsThatTheModelHasNoRoomFor() {
        TrainingSequence longest = MicroBatchTest.sequence(new int[65], 1);
        TrainingSequence strange = MicroBatchTest.sequence(new int[] {1, 48}, 1);
        for (TrainingSequence row : List.of(longest, strange)) {
            try (Golden golden = new Golden("tied", 1)) {
                TrainingRun run = run(folder.resolve("run"), TRAIN);
                TrainingRun wrong = new TrainingRun(run.output(), new TrainingData(List.of(row), List.of(), 0),
                        run.optimizer(), run.train(), run.provenance());
                String message = assertThrows(InputException.class,
                        () -> Trainer.lora(golden.weights(), TrainingFixture.LORA, "base", List.of(), wrong))
                        .getMessage();
                assertTrue(message.contains(row == longest
                        ? "65 tokens, expected at most the model's max_position_embeddings 64"
                        : "48, expected less than the model's vocab_size 48"), message);
            }
        }
    }

    @Test
    void saysWhenTheLossIsNoNumber() {
        OptimizerConfig wild = new OptimizerConfig(1e30, 0.9, 0.99, 1e-8, 0, 0, Schedule.CONSTANT, 0, 0);
        try (Golden golden = new Golden("tied", 1)) {
            TrainingRun run = run(folder.resolve("run"), TRAIN);
            TrainingRun wilder = new TrainingRun(run.output(), run.data(), wild, run.train(), run.provenance());
            try (Trainer trainer = Trainer.lora(golden.weights(), TrainingFixture.LORA, "base", List.of(), wilder)) {
                String message = assertThrows(InputException.class, () -> trainer.train(TrainProgress.SILENT))
                        .getMessage();
                assertTrue(message.startsWith("learningRate: ") && message.contains("NaN"), message);
            }
        }
    }
}
