package org.ingrain.train;

import static org.ingrain.train.TrainingFixture.assertSameFiles;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Emulator;
import org.ingrain.ffi.Inspect;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Weights;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.train.RanksFixture.Loader;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingRanks;
import org.ingrain.train.run.TrainProgress;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A sharded model trains the same adapter as an unsharded model, except for rounding: a few sums are added in another
 * order.
 */
@Timeout(120)
class TensorParallelTrainingTest {
    private static final double TOLERANCE = 1e-5;
    private static final String WEIGHTS = "adapter_model.safetensors";

    @TempDir
    Path folder;

    @AfterEach
    void loadLazily() {
        Emulator.loadEagerly(false);
    }

    private static Blueprint model(int keyValueHeads) {
        return keyValueHeads == 8 ? RanksFixture.EIGHT_HEADS : RanksFixture.TWO_HEADS;
    }

    @ParameterizedTest
    @CsvSource({"8, 2", "8, 4", "8, 8", "2, 2", "2, 4", "2, 8"})
    void ranksTrainTheSameAdapter(int keyValueHeads, int ranks) {
        Blueprint model = model(keyValueHeads);
        Path alone = folder.resolve("alone");
        Path output = folder.resolve("ranks");
        RanksFixture.lora(alone, model, 1, 1, TrainProgress.SILENT);
        RanksFixture.lora(output, model, 1, ranks, TrainProgress.SILENT);
        assertClose(alone, output, model, TOLERANCE);
    }

    /**
     * Without dropout, the A of q, k and v are computed together, and so are those of gate and up. Only losses and
     * gradient norms of five steps are compared: with two key-value heads, the values of the adapters differ by more
     * than the tolerance, also if each A is computed separately.
     */
    @ParameterizedTest
    @CsvSource({"8, 4", "2, 4"})
    void ranksTrainTheSameAdapterWithoutDropout(int keyValueHeads, int ranks) {
        Blueprint model = model(keyValueHeads);
        Path alone = folder.resolve("alone");
        Path output = folder.resolve("ranks");
        RanksFixture.loraWithoutDropout(alone, model, 1);
        RanksFixture.loraWithoutDropout(output, model, ranks);
        assertMetricsClose(alone, output, TOLERANCE);
    }

    @Test
    void replicasOfRanksTooAndTheSameBitsAsOneReplica() {
        Path one = folder.resolve("one");
        Path two = folder.resolve("two");
        RanksFixture.lora(one, RanksFixture.TWO_HEADS, 1, 2, TrainProgress.SILENT);
        RanksFixture.lora(two, RanksFixture.TWO_HEADS, 2, 2, TrainProgress.SILENT);
        assertSameFiles(one, two);
    }

    /**
     * A checkpoint is unsharded. A run with another number of ranks reads the same bits from the checkpoint and
     * resumes.
     */
    @ParameterizedTest
    @CsvSource({"4, 1", "1, 4", "2, 4"})
    void aRunGoesOnWithOtherRanks(int before, int after) throws IOException {
        Path alone = folder.resolve("alone");
        RanksFixture.lora(alone, RanksFixture.TWO_HEADS, 1, 1, TrainProgress.SILENT);
        Path output = folder.resolve("resumed");
        RanksFixture.lora(output, RanksFixture.TWO_HEADS, 1, before, new UpTo(10, false));
        Path written = output.resolve("checkpoints/step-10");
        Path read = folder.resolve("read");
        copy(output, read);
        RanksFixture.lora(read, RanksFixture.TWO_HEADS, 1, after, new UpTo(10, true));
        assertEquals(-1, Files.mismatch(written.resolve(WEIGHTS), read.resolve("adapter").resolve(WEIGHTS)));
        RanksFixture.lora(output, RanksFixture.TWO_HEADS, 1, after, TrainProgress.SILENT);
        assertClose(alone, output, RanksFixture.TWO_HEADS, TOLERANCE);
    }

    /** Ends training after step {@code last}. */
    private record UpTo(int last, boolean wantsResult) implements TrainProgress {
        @Override
        public void trained(Step step) {
        }

        @Override
        public boolean enough(int step) {
            return step >= last;
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        try (var files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
    }

    /** Trains with replicas, shards or both on two emulated devices. */
    @Test
    void onTwoDevices() {
        onDevices(2, new int[][] {{2, 1}, {1, 2}, {2, 2}});
    }

    @Test
    @Tag("long")
    void onEightDevices() {
        onDevices(8, new int[][] {{1, 8}, {2, 4}, {8, 1}});
    }

    private void onDevices(int devices, int[][] splits) {
        TrainConfig few = new TrainConfig(0, 2, 1, 3, 17, 2, 2, 2, false);
        Emulator.loadEagerly(true);
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("simt"))) {
            Path alone = folder.resolve("alone");
            Loader loader = Loader.random(arena, RanksFixture.EIGHT_HEADS);
            try (RanksFixture one = new RanksFixture(backend, 1, 1, 1, loader)) {
                one.lora(alone, few, TrainProgress.SILENT);
            }
            for (int[] split : splits) {
                Path output = folder.resolve(split[0] + " replicas of " + split[1] + " shards");
                try (RanksFixture ranks = new RanksFixture(backend, devices, split[0], split[1], loader)) {
                    ranks.lora(output, few, TrainProgress.SILENT);
                }
                assertClose(alone, output, RanksFixture.EIGHT_HEADS, TOLERANCE);
            }
        }
    }

    /**
     * The message is one line that names the rank whose device has too little memory, and this device. All other ranks
     * of all replicas end too.
     */
    @ParameterizedTest
    @CsvSource({"1, 2", "2, 1", "2, 2"})
    void aRankWithoutMemoryEndsTheOthers(int replicas, int shards) {
        TrainConfig few = new TrainConfig(0, 2, 1, 3, 17, 2, 2, 2, false);
        Emulator.loadEagerly(true);
        Emulator.configure(1L << 30, 0);
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("simt"));
                RanksFixture ranks = new RanksFixture(backend, replicas * shards, replicas, shards,
                        Loader.random(arena, RanksFixture.EIGHT_HEADS));
                Context other = backend.context(new ContextOptions(1, 0, "auto"))) {
            other.allocate(DType.I32, (other.memoryInfo().free() - 4096) / Integer.BYTES);
            BackendException failed = assertThrows(BackendException.class, () -> Trainer.lora(ranks.models,
                    RanksFixture.LORA, "base", List.of(), TrainingFixture.run(folder.resolve("run"), few)));
            assertTrue(failed.getMessage().startsWith("rank 1 on device 1: "), failed.getMessage());
            assertEquals(1, failed.getMessage().lines().count());
            assertTrue(failed.outOfMemory(), failed.getMessage());
        } finally {
            Emulator.configure(1L << 40, 0);
        }
    }

    /** Each rank allocates exactly as many bytes as the memory plan states. */
    @ParameterizedTest
    @CsvSource({"1, 2", "2, 1", "1, 4", "2, 2"})
    void memoryIsAsPlanned(int replicas, int shards) {
        TrainingMemory memory = new TrainingMemory(new MicroBatchLimits(24, 2, 20), 1);
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"));
                RanksFixture fixture = new RanksFixture(backend, 1, replicas, shards,
                        Loader.random(arena, RanksFixture.TWO_HEADS))) {
            List<Weights> ranks = fixture.models.stream().flatMap(model -> model.weights().stream()).toList();
            List<Long> before = ranks.stream().map(w -> Inspect.allocatedBytes(w.context())).toList();
            try (TrainingRanks<LoraParameters> training = new TrainingRanks<>(fixture.models, memory,
                    (weights, place) -> new LoraParameters(weights.context(), place, RanksFixture.LORA, 1, memory))) {
                assertEquals(shards, training.parameters().size());
                for (int i = 0; i < ranks.size(); i++) {
                    Context context = ranks.get(i).context();
                    assertEquals(memory.loraBytes(ranks.get(i), RanksFixture.LORA, replicas) - context.workspaceBytes(),
                            Inspect.allocatedBytes(context) - before.get(i));
                }
            }
            assertEquals(before, ranks.stream().map(w -> Inspect.allocatedBytes(w.context())).toList());
        }
    }

    @Test
    void allWeightsAreNotTrainedByRanksThatShareThem() {
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"));
                RanksFixture ranks = new RanksFixture(backend, 1, 1, 2,
                        Loader.random(arena, RanksFixture.TWO_HEADS))) {
            String message = assertThrows(InputException.class, () -> Trainer.fresh(ranks.models, folder,
                    TrainingFixture.run(folder.resolve("run"), RanksFixture.TRAIN))).getMessage();
            assertEquals("tensorParallelSize: 2, expected 1: tensor parallelism supports only the training of adapters",
                    message);
        }
    }

    private static void assertMetricsClose(Path expected, Path found, double tolerance) {
        double[][] losses = RanksFixture.metrics(expected);
        double[][] own = RanksFixture.metrics(found);
        assertEquals(losses.length, own.length);
        for (int i = 0; i < losses.length; i++) {
            for (int j = 0; j < 2; j++) {
                assertEquals(losses[i][j], own[i][j], tolerance * losses[i][j],
                        (j == 0 ? "loss" : "gradient norm") + " of step " + (i + 1));
            }
        }
    }

    private static void assertClose(Path expected, Path found, Blueprint model, double tolerance) {
        assertMetricsClose(expected, found, tolerance);
        float[] whole = RanksFixture.adapter(expected.resolve("adapter"), model);
        float[] shared = RanksFixture.adapter(found.resolve("adapter"), model);
        assertEquals(whole.length, shared.length);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < whole.length; i++) {
            difference += Math.pow(whole[i] - shared[i], 2);
            norm += Math.pow(whole[i], 2);
        }
        double relative = Math.sqrt(difference / norm);
        System.out.printf("adapter: %.2e relative%n", relative);
        assertTrue(relative <= tolerance, "the adapters differ by " + relative);
    }
}
