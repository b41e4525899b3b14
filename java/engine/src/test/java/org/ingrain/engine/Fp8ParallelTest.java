package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests fp8 weights and an fp8 cache on several emulated GPUs. A weight has one scale per row. So if a weight is
 * sharded by rows, the rows of a rank have the same bits as in an unsharded model. If a weight is sharded by columns,
 * each rank's part of a row has its own scale, and so does each rank's part of a token's activations. So the results of
 * several ranks differ from those of one rank by rounding. The distance between the results of several ranks and the
 * F32 results may be at most twice the distance between the results of one rank and the F32 results.
 */
@Timeout(300)
class Fp8ParallelTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final GeneratorConfig SIZES = GeneratorConfig.of(64, 4, 64).withBlockSize(16).withCacheTokens(256);
    private static final int RANK = 2;

    @TempDir
    private Path temp;

    /**
     * Writes the lab model's tokenizer and a config for random weights. An eighth of a product's input features is a
     * multiple of 16, so fp8 products can be divided into eight chunks.
     */
    @BeforeEach
    void folder() throws IOException {
        try {
            NativeLibraries.find("simt");
        } catch (InputException e) {
            abort("Skipped: " + e.getMessage());
        }
        for (String file : List.of("tokenizer.json", "tokenizer_config.json", "generation_config.json")) {
            Files.copy(LAB.resolve(file), temp.resolve(file));
        }
        String config = Files.readString(LAB.resolve("config.json"));
        for (var size : Map.of("hidden_size", 128, "intermediate_size", 256, "num_attention_heads", 8,
                "num_key_value_heads", 4, "head_dim", 16, "num_hidden_layers", 1, "vocab_size", 376).entrySet()) {
            String changed = config.replaceFirst("(\"" + size.getKey() + "\" : )\\d+", "$1" + size.getValue());
            assertTrue(changed.contains("\"" + size.getKey() + "\" : " + size.getValue()), config);
            config = changed;
        }
        Files.writeString(temp.resolve("config.json"), config);
    }

    /**
     * Returns the log-probabilities of a prompt without an adapter, with the first adapter and with the second adapter.
     * All three requests are in one batch.
     */
    private List<float[]> scores(String device, int ranks, String dtype) {
        ModelOptions options = new ModelOptions(temp, device, 1, "auto", dtype, dtype, false, List.of(),
                WeightsOptions.random(0),
                new ParallelConfig(ranks, 1), Optional.empty());
        try (Engine engine = Engine.open(options)) {
            Generator generator = engine.generator(SIZES, 2, RANK);
            generator.loadAdapter(0, adapter(engine.blueprint(), 1));
            generator.loadAdapter(1, adapter(engine.blueprint(), 2));
            int[] prompt = IntStream.range(0, 24).map(i -> (i * 31 + 5) % 376).toArray();
            List<Request> requests = IntStream.of(-1, 0, 1).mapToObj(slot -> new Request(prompt, 1, 0,
                    SamplingParams.greedy(3).withIgnoreEos(true), slot, true)).toList();
            List<List<Completion>> answers = generator.generate(requests);
            answers.forEach(answer -> assertEquals(3, answer.getFirst().ids().length));
            return answers.stream().map(answer -> answer.getFirst().promptLogProbabilities()).toList();
        }
    }

    private static List<LoraModule> adapter(Blueprint model, long seed) {
        Random random = new Random(seed);
        List<LoraModule> modules = new ArrayList<>();
        for (Projection projection : Projection.values()) {
            if (projection.ofModel()) {
                continue;
            }
            Parameter w = model.parameters().get(0, projection);
            modules.add(new LoraModule(0, projection, RANK, 2, floats(random, RANK * w.columns()),
                    floats(random, RANK * w.rows())));
        }
        return modules;
    }

    private static float[] floats(Random random, long n) {
        float[] values = new float[Math.toIntExact(n)];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian() * 0.2f;
        }
        return values;
    }

    /** Returns the root mean square of the differences. The first element is skipped, because it is NaN. */
    private static double distance(float[] a, float[] b) {
        return Math.sqrt(IntStream.range(1, a.length).mapToDouble(i -> Math.pow(a[i] - b[i], 2)).average()
                .orElseThrow());
    }

    @Test
    void ranksAndAdaptersDifferByRoundingAlone() {
        List<float[]> exact = scores("cpu", 1, "f32");
        List<float[]> one = scores("simt:0", 1, "fp8");
        for (int ranks : new int[] {2, 4}) {
            List<float[]> shared = scores(ranks == 2 ? "simt:0,1" : "simt:0,1,2,3", ranks, "fp8");
            for (int i = 0; i < one.size(); i++) {
                double rounding = distance(exact.get(i), one.get(i));
                double own = distance(exact.get(i), shared.get(i));
                System.out.printf("slot %d: one rank %.4f from f32, %d ranks %.4f%n", i - 1, rounding, ranks, own);
                // Both distances are root mean squares of 23 values.
                assertTrue(own <= 2 * rounding, "distance of " + ranks + " ranks: " + own + ", of one: " + rounding);
            }
            for (int[] pair : new int[][] {{0, 1}, {0, 2}, {1, 2}}) {
                assertTrue(distance(shared.get(pair[0]), shared.get(pair[1]))
                        > 5 * distance(one.get(pair[0]), shared.get(pair[0])), "each request must use its own adapter");
            }
        }
    }

    /**
     * If a weight is sharded by rows, a rank has the same scales as an unsharded model. If a weight is sharded by
     * columns, the largest of the ranks' scales for a row equals the row's scale in an unsharded model.
     */
    @Test
    void scalesArePerRowOfARanksShare() {
        Blueprint config = BlueprintReader.read(temp.resolve("config.json"));
        Precision fp8 = new Precision(DType.F8E4M3, DType.BF16, DType.F8E4M3);
        int ranks = 4;
        try (Backend backend = Backend.open(NativeLibraries.find("simt"));
                Context context = backend.context(new ContextOptions(0, 1, "auto"))) {
            Weights whole = Weights.random(context, config, fp8, Rank.SINGLE, 1);
            List<Weights> shares = IntStream.range(0, ranks)
                    .mapToObj(i -> Weights.random(context, config, fp8, new Rank(i, ranks), 1)).toList();
            float[] gateUp = context.readFloats(whole.layers().get(0).gateUpProj().scales());
            float[] down = context.readFloats(whole.layers().get(0).downProj().scales());
            float[] largest = new float[down.length];
            int f = config.intermediateSize();
            int own = f / ranks;
            for (int i = 0; i < ranks; i++) {
                float[] rows = context.readFloats(shares.get(i).layers().get(0).gateUpProj().scales());
                assertArrayEquals(Arrays.copyOfRange(gateUp, i * own, (i + 1) * own), Arrays.copyOf(rows, own), 0);
                assertArrayEquals(Arrays.copyOfRange(gateUp, f + i * own, f + (i + 1) * own),
                        Arrays.copyOfRange(rows, own, 2 * own), 0);
                float[] columns = context.readFloats(shares.get(i).layers().get(0).downProj().scales());
                for (int n = 0; n < down.length; n++) {
                    assertTrue(columns[n] <= down[n], "row " + n + " of rank " + i);
                    largest[n] = Math.max(largest[n], columns[n]);
                }
            }
            assertArrayEquals(down, largest, 0);
        }
    }
}
