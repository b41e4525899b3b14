package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainingRun;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Alternates training and sampling of the lab model, on replicas and on ranks. */
@Timeout(120)
class ParallelTrainingTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final LoraConfig LORA = new LoraConfig(2, 64, 0.1, LoraConfig.ALL_LINEAR, false);
    private static final GeneratorConfig SIZES = GeneratorConfig.of(128, 4, 64).withBlockSize(16);

    @TempDir
    private Path temp;
    private Path rows;

    /** Log-probabilities of the base model, log-probabilities with the trained adapter, and the adapter's folder. */
    private record Result(float[] before, float[] after, Path adapter) {
    }

    @BeforeEach
    void rows() throws IOException {
        rows = temp.resolve("rows.jsonl");
        StringBuilder lines = new StringBuilder();
        for (String word : List.of("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn")) {
            lines.append("{\"prompt\": \"Spell the word \\\"").append(word).append("\\\".\", \"completion\": \"")
                    .append(word).append("\"}\n");
        }
        Files.writeString(rows, lines);
    }

    private TrainingRun run(Engine engine, String name, int accumulation) {
        var data = TrainingDataReader.read(DataConfig.of(rows, null, 64), engine.tokenizer(), engine.template(), 0);
        return new TrainingRun(temp.resolve(name), data, OptimizerConfig.of(1e-2),
                new TrainConfig(0, 4, 1, accumulation, 3, 0, 0, 1, false), engine.modelFingerprint());
    }

    private static Engine open(int ranks, int replicas, Engine.Listener listener) {
        return Engine.open(ModelOptions.of(LAB).withDtype("f32").withThreads(1)
                .withParallel(new ParallelConfig(ranks, replicas)),
                listener);
    }

    private Result result(int ranks, int replicas) {
        try (Engine engine = open(ranks, replicas, new Engine.Listener() { })) {
            Generator generator = engine.generator(SIZES, 1, LORA.rank());
            float[] before = logProbabilities(generator, -1);
            Path adapter;
            try (Trainer trainer = engine.trainer(LORA, List.of(), run(engine, ranks + "x" + replicas, 3))) {
                adapter = trainer.train(TrainProgress.SILENT).result();
            }
            generator.loadAdapter(0, PeftAdapter.read(adapter, engine.blueprint()).modules());
            assertArrayEquals(before, logProbabilities(generator, -1), 0);
            return new Result(before, logProbabilities(generator, 0), adapter);
        }
    }

    private static float[] logProbabilities(Generator generator, int slot) {
        int[] prompt = {5, 9, 17, 4, 33};
        return generator.generate(List.of(new Request(prompt, 1, 0, SamplingParams.greedy(12).withIgnoreEos(true), slot,
                true))).getFirst().getFirst().promptLogProbabilities();
    }

    @Test
    void replicasAndRanksTrainAndSampleInTurn() throws IOException {
        Result alone = result(1, 1);
        for (int[] sizes : new int[][] {{1, 2}, {2, 1}, {2, 2}}) {
            Result result = result(sizes[0], sizes[1]);
            assertArrayEquals(alone.before, result.before, 0);
            if (sizes[0] == 1) {
                Path weights = Path.of("adapter_model.safetensors");
                assertEquals(-1, Files.mismatch(alone.adapter.resolve(weights), result.adapter.resolve(weights)));
            }
            assertArrayEquals(alone.after, result.after, sizes[0] == 1 ? 0 : 1e-3f);
        }
    }

    /**
     * Replicas on the CPU share their packed weights, and one replica writes them. Training all weights gives the same
     * result on three replicas as on one.
     */
    @Test
    void allWeightsAreTheSameOnReplicasThatShareThem() throws IOException {
        List<Path> results = new ArrayList<>();
        List<float[]> after = new ArrayList<>();
        for (int replicas : new int[] {1, 3}) {
            try (Engine engine = open(1, replicas, new Engine.Listener() { })) {
                Generator generator = engine.generator(SIZES);
                try (Trainer trainer = engine.trainer(run(engine, "full-" + replicas, 3))) {
                    results.add(trainer.train(TrainProgress.SILENT).result().resolve("model.safetensors"));
                }
                after.add(logProbabilities(generator, -1));
            }
        }
        assertEquals(-1, Files.mismatch(results.get(0), results.get(1)));
        assertArrayEquals(after.get(0), after.get(1), 0);
    }

    /** An adapter of another shape is refused before any rank can fail. The engine can still be used. */
    @Test
    void anAdapterThatCannotBeTrainedOnEndsNothing() {
        try (Engine engine = open(2, 2, new Engine.Listener() { })) {
            Generator generator = engine.generator(SIZES, 1, LORA.rank());
            float[] before = logProbabilities(generator, -1);
            String refused = assertThrows(InputException.class, () -> engine.trainer(LORA, List.of(
                    new LoraModule(0, Projection.Q_PROJ, 8, 1, new float[8], new float[8])), run(engine, "refused", 3)))
                    .getMessage();
            assertTrue(refused.startsWith("adapter: 1 adapted projections, expected 28"), refused);
            assertArrayEquals(before, logProbabilities(generator, -1), 0);
        }
    }

    @Test
    void copiesWithoutAMicroBatchAreSaidAndAllWeightsNeedOneRank() {
        List<String> heard = new ArrayList<>();
        Engine.Listener listener = new Engine.Listener() {
            @Override
            public void placed(String line) {
                heard.add(line);
            }
        };
        try (Engine engine = open(1, 2, listener)) {
            engine.trainer(LORA, List.of(), run(engine, "idle", 1)).close();
            assertEquals("training uses 1 of 2 copies of the model: a step has one micro-batch (gradient accumulation)",
                    heard.getLast());
            engine.trainer(run(engine, "busy", 2)).close();
            assertEquals(2, heard.size(), heard::toString);
        }
        try (Engine engine = open(2, 1, listener)) {
            assertEquals("tensorParallelSize: 2, expected 1: tensor parallelism supports only the training of adapters",
                    assertThrows(InputException.class, () -> engine.trainer(run(engine, "full", 1))).getMessage());
        }
    }
}
