package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.ingrain.ffi.Emulator;
import org.ingrain.model.Projection;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A small random model gives the same results on eight emulated GPUs as on one. The tests use graphs, results that the
 * host reads one step late, and a batch with two adapters and the base model. In F32, the results are bitwise equal if
 * the order of summation is fixed. In the step of the long prompt, the collectives use the two-shot method; in all
 * other steps, they use the one-shot method (ARCHITECTURE.md).
 */
@Timeout(600)
class EightDevicesTest {
    private static final String EIGHT = "simt:0,1,2,3,4,5,6,7";
    private static final int HIDDEN = 512;
    /**
     * Length of the long prompt. On eight ranks, each message of the prompt's step has at least HIDDEN * 132 * 4
     * bytes. The limit of the one-shot method is 256 KiB.
     */
    private static final int PROMPT = 132;
    private static final GeneratorConfig SIZES = GeneratorConfig.of(160, 4, 160).withBlockSize(16).withCacheTokens(480);
    /**
     * A weight that is sharded by rows and a weight that is sharded by columns. One of each kind is enough here,
     * because {@link ParallelTest} adapts all modules.
     */
    private static final Set<Projection> ADAPTED = Set.of(Projection.Q_PROJ, Projection.DOWN_PROJ);

    @TempDir
    private static Path temp;
    private static ModelOptions options;
    private static List<List<Completion>> alone;

    @BeforeAll
    static void runAlone() throws IOException {
        ParallelTest.folder(temp, 8, 2, true);
        String config = Files.readString(temp.resolve("config.json"))
                .replaceFirst("(\"hidden_size\" : )\\d+", "$1" + HIDDEN)
                .replaceFirst("(\"intermediate_size\" : )\\d+", "$1" + 64)
                .replaceFirst("(\"num_hidden_layers\" : )\\d+", "$1" + 1);
        Files.writeString(temp.resolve("config.json"), config);
        options = ModelOptions.of(temp).withRandomWeights(1).withDtype("f32").withDeterministic(true);
        alone = answers(options.withDevice("simt:0"), new ParallelConfig(1, 1));
    }

    private static List<List<Completion>> answers(ModelOptions options, ParallelConfig parallel) {
        try (Engine engine = Engine.open(options.withParallel(parallel))) {
            Generator generator = engine.generator(SIZES, 2, ParallelTest.RANK);
            for (int slot = 0; slot < 2; slot++) {
                generator.loadAdapter(slot, ParallelTest.adapter(engine.blueprint(), 2 * slot).stream()
                        .filter(module -> ADAPTED.contains(module.projection())).toList());
            }
            SamplingParams sampled = SamplingParams.sampled(0.9, 0.95, 14, 4).withIgnoreEos(true);
            List<List<Completion>> answers = new ArrayList<>();
            List<String> launches = engine.context().trace(() -> answers.addAll(generator.generate(List.of(
                    new Request(prompt(PROMPT, 31), 1, 0, sampled, -1, false),
                    new Request(prompt(9, 17), 2, 0, sampled, 0, true),
                    new Request(prompt(5, 7), 1, 0, sampled, 1, false)))));
            assertTrue(generator.stats().graphReplays() > 0, generator.stats()::toString);
            if (parallel.tensorParallelSize() == 8) {
                for (boolean twoShots : new boolean[] {false, true}) {
                    String kernel = "sum_in_place<float, 4, " + twoShots + ">";
                    assertTrue(launches.stream().anyMatch(line -> line.contains(kernel)), kernel);
                }
            }
            return answers;
        }
    }

    private static int[] prompt(int length, int factor) {
        return IntStream.range(0, length).map(i -> (i * factor + 5) % 370).toArray();
    }

    @Test
    @Tag("long")
    void oneCopyOverEightDevices() {
        ParallelTest.assertSame(alone, answers(options.withDevice(EIGHT).withIsa("descending"),
                new ParallelConfig(8, 1)), 0);
    }

    @Test
    @Tag("long")
    void twoCopiesOverFourDevicesEach() {
        ParallelTest.assertSame(alone, answers(options.withDevice(EIGHT), new ParallelConfig(4, 2)), 0);
    }

    /** NCCL adds one partial sum per rank, so the order of summation differs from the order on one device. */
    @Test
    void withoutPeerAccess() {
        Emulator.setPeers(false);
        try {
            ParallelTest.assertSame(alone, answers(options.withDevice("simt:0,1").withDeterministic(false),
                    new ParallelConfig(2, 1)), 1e-4f);
        } finally {
            Emulator.setPeers(true);
        }
    }
}
