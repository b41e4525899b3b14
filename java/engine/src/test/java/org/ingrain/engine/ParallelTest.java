package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Emulator;
import org.ingrain.ffi.Inspect;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Group;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.Projection;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.sample.Ticket;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.TestFolders;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A model gives the same results on several devices as on one device. On the CPU, the results are bitwise equal. */
@Timeout(120)
class ParallelTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final GeneratorConfig SIZES = GeneratorConfig.of(96, 6, 48).withBlockSize(16).withCacheTokens(256);
    static final int RANK = 2;
    private static final AdapterBank.Limits LIMITS = new AdapterBank.Limits(2, RANK,
            Set.of(Projection.EMBED_TOKENS, Projection.LM_HEAD), true, Set.of());

    @TempDir
    private Path temp;

    /** Returns a folder with the lab model's tokenizer and another config, for random weights. */
    private Path folder(int heads, int keyValueHeads, boolean tied) throws IOException {
        return folder(temp, heads, keyValueHeads, tied);
    }

    static Path folder(Path temp, int heads, int keyValueHeads, boolean tied) throws IOException {
        for (String file : List.of("tokenizer.json", "tokenizer_config.json", "generation_config.json")) {
            Files.copy(LAB.resolve(file), temp.resolve(file));
        }
        String config = Files.readString(LAB.resolve("config.json"))
                .replaceFirst("(\"num_attention_heads\" : )\\d+", "$1" + heads)
                .replaceFirst("(\"num_key_value_heads\" : )\\d+", "$1" + keyValueHeads)
                .replaceFirst("(\"head_dim\" : )\\d+", "$1" + 16)
                .replaceFirst("(\"vocab_size\" : )\\d+", "$1" + 376)   // 374 is not divisible by 4 or 8
                .replaceFirst("(\"tie_word_embeddings\" : )\\w+", "$1" + tied);
        Files.writeString(temp.resolve("config.json"), config);
        return temp;
    }

    /**
     * Returns an adapter of all modules of layer 0, the embedding and the output head. Its values are large enough to
     * change the text. If the seed is odd, the modules have biases.
     */
    static List<LoraModule> adapter(Blueprint model, long seed) {
        Random random = new Random(seed);
        List<LoraModule> modules = new ArrayList<>();
        for (Projection projection : Projection.values()) {
            int layer = projection.ofModel() ? Group.MODEL : 0;
            Parameter w = model.parameters().get(layer, projection);
            modules.add(new LoraModule(layer, projection, RANK, 2, floats(random, RANK * projection.inputs(w)),
                    floats(random, RANK * projection.outputs(w)),
                    seed % 2 == 0 || projection == Projection.EMBED_TOKENS ? null : floats(random, w.rows())));
        }
        return modules;
    }

    /**
     * Returns an adapter that replaces parameters of the model: the embedding, the output head, a norm, and a weight
     * that is sharded by columns.
     */
    private static Adapter replacing(Blueprint model) {
        Random random = new Random(4);
        Map<String, HostTensor> saved = new HashMap<>();
        for (String name : List.of("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
                "model.layers.0.self_attn.o_proj.weight")) {
            Parameter p = model.parameters().replaceable(name);
            MemorySegment data = Arena.ofAuto().allocate(p.elements() * Float.BYTES, 64);
            MemorySegment.copy(floats(random, p.elements()), 0, data, ValueLayout.JAVA_FLOAT, 0,
                    Math.toIntExact(p.elements()));
            saved.put(name, new HostTensor(DType.F32, p.shape(), data));
        }
        return new Adapter(adapter(model, 1).subList(0, 2), saved);
    }

    private static float[] floats(Random random, long n) {
        float[] values = new float[Math.toIntExact(n)];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian() * 0.2f;
        }
        return values;
    }

    /**
     * Returns requests for more samples than fit in a replica's batch, for two adapters and the base model in one
     * batch, and for scored prompts.
     */
    private static List<Request> requests(Blueprint model) {
        SamplingParams params = SamplingParams.sampled(0.9, 0.95, 14, 11);
        int vocabulary = model.vocabSize();
        int[] prompt = IntStream.range(0, 37).map(i -> (i * 31 + 5) % vocabulary).toArray();
        int[] other = IntStream.range(0, 21).map(i -> (i * 17 + 3) % vocabulary).toArray();
        return List.of(new Request(prompt, 9, 0, params, -1, false), new Request(prompt, 2, 1, params, 0, false),
                new Request(other, 3, 0, params, 1, true), new Request(other, 1, 0, SamplingParams.greedy(9), -1, true),
                Request.of(prompt, 7, params.withMinTokens(5).withLogitBias(Map.of(3, 4f, 60, -100f))
                        .withStopTokens(IntStream.range(0, 100).boxed().toList())),
                new Request(other, 2, 4, params, 0, false));
    }

    private static List<List<Completion>> answers(ModelOptions options, ParallelConfig parallel) {
        try (Engine engine = Engine.open(options.withParallel(parallel))) {
            Generator generator = engine.generator(SIZES, LIMITS);
            generator.loadAdapter(0, adapter(engine.blueprint(), 1));
            generator.loadAdapter(1, adapter(engine.blueprint(), 2));
            List<List<Completion>> all = new ArrayList<>(generator.generate(requests(engine.blueprint())));
            generator.loadAdapter(1, adapter(engine.blueprint(), 3).subList(2, 5));
            all.addAll(generator.generate(requests(engine.blueprint())));
            return all;
        }
    }

    /**
     * Returns the completions of an adapter that replaces parameters. This adapter is the only adapter of the
     * generator.
     */
    private static List<List<Completion>> replaced(ModelOptions options, ParallelConfig parallel) {
        try (Engine engine = Engine.open(options.withParallel(parallel))) {
            Adapter replacing = replacing(engine.blueprint());
            Generator generator = engine.generator(SIZES, replacing);
            generator.loadAdapter(0, replacing);
            return generator.generate(requests(engine.blueprint()).stream().filter(r -> r.adapterSlot() == 0)
                    .toList());
        }
    }

    static void assertSame(List<List<Completion>> expected, List<List<Completion>> actual, float tolerance) {
        assertEquals(expected.size(), actual.size());
        for (int r = 0; r < expected.size(); r++) {
            for (int i = 0; i < expected.get(r).size(); i++) {
                Completion e = expected.get(r).get(i);
                Completion a = actual.get(r).get(i);
                assertEquals(e.sample(), a.sample());
                assertArrayEquals(e.ids(), a.ids(), () -> Arrays.toString(a.ids()));
                assertArrayEquals(e.logProbabilities(), a.logProbabilities(), tolerance);
                assertArrayEquals(e.promptLogProbabilities(), a.promptLogProbabilities(), tolerance);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"8, 8, f32, false", "8, 2, bf16, true", "16, 2, f32, true"})
    void answersAreThoseOfOneRank(int heads, int keyValueHeads, String dtype, boolean tied) throws IOException {
        ModelOptions options = ModelOptions.of(folder(heads, keyValueHeads, tied)).withRandomWeights(0)
                .withDtype(dtype).withThreads(1);
        List<List<Completion>> expected = answers(options, ParallelConfig.AUTO);
        for (int[] sizes : new int[][] {{2, 1}, {4, 1}, {8, 1}, {1, 2}, {1, 4}, {2, 2}}) {
            assertSame(expected, answers(options, new ParallelConfig(sizes[0], sizes[1])), 0);
        }
        List<List<Completion>> replaced = replaced(options, ParallelConfig.AUTO);
        for (int[] sizes : new int[][] {{4, 1}, {1, 2}, {2, 2}}) {
            assertSame(replaced, replaced(options, new ParallelConfig(sizes[0], sizes[1])), 0);
        }
    }

    @Test
    void theLabModelToo() {
        List<List<Completion>> expected = answers(ModelOptions.of(LAB), ParallelConfig.AUTO);
        for (int[] sizes : new int[][] {{4, 1}, {2, 2}}) {
            assertSame(expected, answers(ModelOptions.of(LAB), new ParallelConfig(sizes[0], sizes[1])), 0);
        }
    }

    @Test
    void minimind2Too() {
        ModelOptions options = ModelOptions.of(TestFolders.model("minimind2-small"));
        List<List<Completion>> expected = answers(options, ParallelConfig.AUTO);
        for (int[] sizes : new int[][] {{8, 1}, {2, 2}}) {
            assertSame(expected, answers(options, new ParallelConfig(sizes[0], sizes[1])), 0);
        }
    }

    /**
     * Tests both models with those numbers of ranks and replicas that no other test uses. The lab model has four heads,
     * so it supports at most four ranks.
     */
    @Test
    @Tag("long")
    void bothModelsOnOtherNumbersOfRanks() {
        for (Path model : List.of(LAB, TestFolders.model("minimind2-small"))) {
            List<List<Completion>> expected = answers(ModelOptions.of(model), ParallelConfig.AUTO);
            for (int[] sizes : new int[][] {{2, 1}, {4, 1}, {1, 2}, {1, 4}}) {
                assertSame(expected, answers(ModelOptions.of(model), new ParallelConfig(sizes[0], sizes[1])), 0);
            }
        }
    }

    /**
     * Emulated GPUs use graphs, and the host reads their results one step late. In deterministic mode, the order of
     * summation does not depend on the number of ranks.
     */
    @Test
    @Tag("long")
    void emulatedGpusToo() throws IOException {
        ModelOptions options = ModelOptions.of(folder(4, 2, true)).withRandomWeights(1).withDtype("f32")
                .withDevice("simt:0");
        ModelOptions fixed = options.withDeterministic(true);
        List<List<Completion>> expected = answers(fixed, ParallelConfig.AUTO);
        assertSame(expected, answers(fixed.withDevice("simt:0,1,2,3"), new ParallelConfig(2, 2)), 0);
        assertSame(expected, answers(fixed.withDevice("simt:4,5,6,7"), new ParallelConfig(4, 1)), 0);
        // If the mode is not deterministic, each rank has one partial sum, so the order of summation depends on the
        // number of ranks.
        assertSame(expected, answers(options.withDevice("simt:6,7"), new ParallelConfig(2, 1)), 1e-4f);
    }

    /** A plan that does not fit on a device is refused. If memory runs out later, the message names the device. */
    @Test
    void aDeviceWithoutMemoryIsNamed() throws IOException {
        ModelOptions options = ModelOptions.of(folder(4, 2, true)).withRandomWeights(1).withDtype("f32")
                .withDevice("simt:0,1").withParallel(new ParallelConfig(2, 1));
        try (Backend backend = Backend.open(NativeLibraries.find("simt"));
                Context other = backend.context(new ContextOptions(1, 0, "auto"))) {
            Emulator.configure(1L << 30, 0);
            try (Engine engine = Engine.open(options)) {
                Tensor taken = take(other, 1 << 20);
                String refused = assertThrows(InputException.class, () -> engine.generator(SIZES)).getMessage();
                assertTrue(refused.startsWith(temp + " on simt:1: needs "), refused);
                other.free(taken);
            }
            Engine.Listener late = new Engine.Listener() {
                @Override
                public void planned(MemoryPlan plan) {
                    take(other, 0);
                }
            };
            try (Engine engine = Engine.open(options, late)) {
                BackendException failed = assertThrows(BackendException.class, () -> engine.generator(SIZES));
                assertTrue(failed.getMessage().startsWith("rank 1 on simt:1: "), failed.getMessage());
                assertTrue(failed.outOfMemory(), failed.getMessage());
            } finally {
                Emulator.configure(1L << 40, 0);
            }
        }
    }

    /** Allocates all memory of a device except about {@code rest} bytes. */
    private static Tensor take(Context context, long rest) {
        return context.allocate(DType.I32, (context.memoryInfo().free() - rest) / Integer.BYTES - 64);
    }

    /**
     * Listeners are called on the thread that calls the generator, and a sample can be cancelled on any replica. The
     * samples are long, because one replica may be far ahead of the other.
     */
    @Test
    void aSampleIsCancelledOnItsReplica() {
        try (Engine engine = Engine.open(ModelOptions.of(LAB).withParallel(new ParallelConfig(1, 2)))) {
            Generator generator = engine.generator(GeneratorConfig.of(512, 6, 64));
            Thread caller = Thread.currentThread();
            List<Completion> ended = new ArrayList<>();
            Request request = Request.of(new int[] {5, 6, 7}, 12, SamplingParams.sampled(1, 1, 500, 3)
                    .withIgnoreEos(true));
            Ticket[] ticket = new Ticket[1];
            ticket[0] = generator.submit(request, new GenerationListener() {
                @Override
                public void text(int sample, String piece) {
                    ticket[0].cancel(10);
                    ticket[0].cancel(1);
                }

                @Override
                public void finished(Completion completion) {
                    assertEquals(caller, Thread.currentThread());
                    ended.add(completion);
                }
            });
            while (generator.step()) {
                continue;
            }
            assertEquals(12, ended.size());
            assertEquals(12, generator.maxSequences());
            long cancelled = ended.stream().filter(c -> c.reason() == Completion.FinishReason.CANCELLED).count();
            assertEquals(2, cancelled);
            assertTrue(generator.stats().tokens() >= 5000, generator.stats()::toString);
        }
    }

    @Test
    void sizesThatDoNotDivideAreRefusedWithThoseThatDo() throws IOException {
        ModelOptions options = ModelOptions.of(folder(12, 4, true)).withRandomWeights(0);
        assertRefused("tensorParallelSize: 8, expected one of [1, 2, 4] for 12 heads, 4 key-value heads and an "
                + "intermediate_size of 352", options.withParallel(new ParallelConfig(8, 1)));
        assertRefused("device: simt:0,1,2 lists 3 devices, expected tensorParallelSize 2 x dataParallelSize 1 = 2",
                options.withDevice("simt:0,1,2").withParallel(new ParallelConfig(2, 0)));
        assertRefused("tensorParallelSize: -1, expected 1, 2, 4 or 8", null);
    }

    /**
     * If all ranks refuse an adapter, the engine is unchanged, and the adapter that was loaded before stays in its
     * slot.
     */
    @Test
    void anAdapterThatIsRefusedEndsNothing() {
        for (int[] sizes : new int[][] {{1, 1}, {2, 2}}) {
            try (Engine engine = Engine.open(ModelOptions.of(LAB)
                    .withParallel(new ParallelConfig(sizes[0], sizes[1])))) {
                Generator generator = engine.generator(SIZES, LIMITS);
                generator.loadAdapter(0, adapter(engine.blueprint(), 1));
                generator.loadAdapter(1, adapter(engine.blueprint(), 2));
                List<List<Completion>> before = generator.generate(requests(engine.blueprint()));
                List<LoraModule> wide = adapter(engine.blueprint(), 3).stream().map(m -> new LoraModule(m.layer(),
                        m.projection(), 2 * RANK, 2, Arrays.copyOf(m.a(), 2 * m.a().length),
                        Arrays.copyOf(m.b(), 2 * m.b().length))).toList();
                String refused = assertThrows(InputException.class, () -> generator.loadAdapter(1, wide)).getMessage();
                assertTrue(refused.matches("adapter: rank 4 of model\\.\\S+, expected at most 2"), refused);
                assertSame(before, generator.generate(requests(engine.blueprint())), 0);
            }
        }
    }

    /** Replicas on the CPU share one set of weights, which the ranks of the first replica allocate. */
    @Test
    void copiesOnTheCpuShareTheirWeights() {
        for (int[] sizes : new int[][] {{1, 1}, {1, 4}, {2, 2}}) {
            List<Long> loaded = new ArrayList<>();
            try (Engine engine = Engine.open(ModelOptions.of(LAB).withParallel(new ParallelConfig(sizes[0], sizes[1])),
                    new Engine.Listener() {
                        @Override
                        public void allLoaded(long bytes, double seconds) {
                            loaded.add(bytes);
                        }
                    })) {
                engine.generator(SIZES);
                long planned = engine.memory().parts().getFirst().bytes();
                assertEquals(List.of(planned), loaded);
                assertEquals(sizes[0] * sizes[1], engine.memory().ranks());
                long shares = sizes[0] == 1 ? planned : planned / 2;
                assertTrue(Inspect.allocatedBytes(engine.context()) > shares);
            }
        }
    }

    private static void assertRefused(String message, ModelOptions options) {
        assertEquals(message, assertThrows(InputException.class, () -> Engine.open(
                options == null ? ModelOptions.of(LAB).withParallel(new ParallelConfig(-1, 0)) : options))
                .getMessage());
    }
}
