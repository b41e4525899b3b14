package org.ingrain.train;

import static org.ingrain.train.TrainingFixture.assertSameFiles;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Parameter;
import org.ingrain.model.Precision;
import org.ingrain.model.Weights;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.train.RanksFixture.Loader;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingRanks;
import org.ingrain.train.run.TrainProgress;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Several replicas write the same losses, gradient norms, checkpoints and adapter as a single replica, byte for byte.
 * The runs use dropout. The number of micro-batches per step is not divisible by the number of replicas.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class DataParallelTest {
    private static final TrainConfig FULL = new TrainConfig(0, 6, 1, 5, 17, 3, 3, 2, false);

    private Path folder;
    private Path alone;

    @BeforeAll
    void alone(@TempDir Path folder) {
        this.folder = folder;
        alone = folder.resolve("alone");
        RanksFixture.lora(alone, RanksFixture.EIGHT_HEADS, 1, 1, TrainProgress.SILENT);
        double[][] steps = RanksFixture.metrics(alone);
        assertEquals(20, steps.length);
        assertTrue(steps[19][0] < 0.9 * steps[0][0], "losses from " + steps[0][0] + " to " + steps[19][0]);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4, 8})
    void anAdapterIsTheSame(int replicas) {
        Path output = folder.resolve("lora-" + replicas);
        RanksFixture.lora(output, RanksFixture.EIGHT_HEADS, replicas, 1, TrainProgress.SILENT);
        assertSameFiles(alone, output);
    }

    @ParameterizedTest
    @CsvSource({"2, 1", "1, 2", "4, 3"})
    void aKilledRunGoesOnWithOtherReplicas(int before, int after) {
        Path output = folder.resolve("resumed-" + before + "-" + after);
        assertThrows(Killed.class, () -> RanksFixture.lora(output, RanksFixture.EIGHT_HEADS, before, 1, killedAt(13)));
        RanksFixture.lora(output, RanksFixture.EIGHT_HEADS, after, 1, TrainProgress.SILENT);
        assertSameFiles(alone, output);
    }

    /** Each replica stores the optimizer moments of one slice of the parameters. A checkpoint contains all slices. */
    @ParameterizedTest
    @ValueSource(strings = {"tied", "untied"})
    void allWeightsAreTheSame(String golden) {
        Path one = folder.resolve(golden + "-1");
        full(golden, one, 1, TrainProgress.SILENT);
        for (int replicas : new int[] {2, 3}) {
            Path output = folder.resolve(golden + "-" + replicas);
            full(golden, output, replicas, TrainProgress.SILENT);
            assertSameFiles(one, output);
        }
        Path resumed = folder.resolve(golden + "-resumed");
        assertThrows(Killed.class, () -> full(golden, resumed, 2, killedAt(4)));
        full(golden, resumed, 1, TrainProgress.SILENT);
        assertSameFiles(one, resumed);
    }

    /** On a GPU without deterministic mode, each replica sums only its own slice of the gradients (reduce_scatter). */
    @Test
    void allWeightsAreCloseOnEmulatedGpus() {
        TrainConfig few = new TrainConfig(0, 2, 1, 4, 17, 2, 2, 2, false);
        Path one = folder.resolve("simt-1");
        Path output = folder.resolve("simt-3");
        try (Golden golden = new Golden("tied", 1); Backend backend = Backend.open(NativeLibraries.find("simt"))) {
            full(golden, backend, one, 1, few);
            full(golden, backend, output, 3, few);
        }
        double[][] expected = RanksFixture.metrics(one);
        double[][] found = RanksFixture.metrics(output);
        assertEquals(2, found.length);
        for (int i = 0; i < 2; i++) {
            assertArrayEquals(expected[i], found[i], 1e-5 * expected[i][1]);
        }
        float[] weights = values(one);
        float[] shared = values(output);
        assertArrayEquals(weights, shared, 1e-5f);
    }

    /** Returns the values of all tensors of the trained model, in the order of the parameter table. */
    private static float[] values(Path output) {
        try (ModelFolder model = ModelFolder.open(output.resolve("model"))) {
            FloatBuffer all = FloatBuffer.allocate(1 << 22);
            for (Parameter p : model.config().parameters().all()) {
                HostTensor tensor = model.tensor(p.name());
                assertEquals(DType.F32, tensor.dtype());
                all.put(tensor.data().toArray(ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN)));
            }
            return Arrays.copyOf(all.array(), all.position());
        }
    }

    private static void full(Golden golden, Backend backend, Path output, int replicas, TrainConfig train) {
        try (RanksFixture ranks = new RanksFixture(backend, replicas, replicas, 1, whole(golden));
                Trainer trainer = Trainer.full(ranks.models, golden.model, TrainingFixture.run(output, train))) {
            trainer.train(TrainProgress.SILENT);
        }
    }

    private static Loader whole(Golden golden) {
        return (context, rank) -> Weights.load(context, golden.config,
                new Precision(DType.F32, DType.F32, DType.F32), rank, golden.model, (layers, of) -> { });
    }

    private static void full(String name, Path output, int replicas, TrainProgress progress) {
        try (Golden golden = new Golden(name, 1);
                RanksFixture ranks = new RanksFixture(golden.backend, 1, replicas, 1, whole(golden));
                Trainer trainer = Trainer.full(ranks.models, golden.model, TrainingFixture.run(output, FULL))) {
            trainer.train(progress);
        }
    }

    /**
     * The message is one line that names the failed rank and the error. The other replicas stop waiting for this rank.
     */
    @Test
    void aReplicaThatFailsEndsTheOthers() {
        List<MicroBatch> batches = Stream.of(4, 4, 9).map(length -> {
            BitSet targets = new BitSet();
            targets.set(1, length);
            return MicroBatch.of(List.of(new TrainingSequence(new int[length], targets)));
        }).toList();
        TrainingMemory memory = TrainingMemory.least(new MicroBatchLimits(4, 1, 4));
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"));
                RanksFixture fixture = new RanksFixture(backend, 1, 3, 1,
                        Loader.random(arena, RanksFixture.EIGHT_HEADS));
                TrainingRanks<LoraParameters> ranks = new TrainingRanks<>(fixture.models, memory, (weights, place) ->
                        new LoraParameters(weights.context(), place, RanksFixture.LORA, 1, memory))) {
            for (int again = 0; again < 2; again++) {
                String message = assertThrows(IllegalStateException.class,
                        () -> ranks.step(1, 1, batches, TrainingFixture.OPTIMIZER)).getMessage();
                assertTrue(message.startsWith("rank 2 on device 0: a batch of 9 tokens"), message);
                assertEquals(1, message.lines().count());
            }
        }
    }

    /** Thrown to simulate that the process is killed. */
    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    private static TrainProgress killedAt(int step) {
        return done -> {
            if (done.step() == step) {
                throw new Killed();
            }
        };
    }
}
