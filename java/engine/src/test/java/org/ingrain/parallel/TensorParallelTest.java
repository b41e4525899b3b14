package org.ingrain.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.WeightSource;
import org.ingrain.model.Weights;
import org.ingrain.ops.Ops;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.sample.ShardedModel;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A model that is sharded over several ranks gives the same bits as on one rank, because the partial sums of
 * row-parallel products are added in a fixed order.
 */
@Timeout(120)
class TensorParallelTest {
    private static final Blueprint CONFIG = config(8, false, false);
    private static final GeneratorConfig SIZES = GeneratorConfig.of(128, 8, 64).withBlockSize(16);
    private static final Request REQUEST = Request.of(
            IntStream.range(0, 37).map(i -> i * 7 % CONFIG.vocabSize()).toArray(), 4,
            SamplingParams.sampled(0.8f, 1, 24, 5));

    @ParameterizedTest
    @CsvSource({"2, F32", "4, F32", "8, F32", "2, BF16", "8, BF16"})
    void ranksChangeNoBit(int ranks, DType dtype) {
        ranksChangeNoBit(CONFIG, ranks, dtype);
    }

    /**
     * Tests models with the qkv bias of Qwen2 or the QK norm of Qwen3. A rank holds the bias of its own heads only,
     * and the complete weights of the norms.
     */
    @ParameterizedTest
    @CsvSource({"2, true, false", "2, false, true", "8, true, true"})
    void norDoTheyWithABiasOrNormedHeads(int ranks, boolean qkvBias, boolean qkNorm) {
        ranksChangeNoBit(config(8, qkvBias, qkNorm), ranks, DType.F32);
    }

    /** With more ranks than key-value heads, several ranks hold the same head and its bias. */
    @ParameterizedTest
    @CsvSource({"4", "8"})
    void norWhereTheyOutnumberTheHeads(int ranks) {
        ranksChangeNoBit(config(2, true, true), ranks, DType.F32);
    }

    private static Blueprint config(int keyValueHeads, boolean qkvBias, boolean qkNorm) {
        return new Blueprint(64, 96, 2, new AttentionConfig(16, keyValueHeads, 8, qkvBias, qkNorm), 61, 128, 1e-5,
                RopeConfig.of(10000), false, DType.F32);
    }

    private static void ranksChangeNoBit(Blueprint config, int ranks, DType dtype) {
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"))) {
            WeightSource source = source(arena, config);
            List<Completion> alone;
            try (Context context = backend.context(new ContextOptions(0, 1, "auto"))) {
                alone = new Generator(weights(context, config, Rank.SINGLE, dtype, source), null, SIZES, Silent::new,
                        List.of()).generate(List.of(REQUEST)).getFirst();
            }
            try (Communicator communicator = new Communicator(backend, ranks);
                    RankGroup group = TestRanks.group(communicator)) {
                List<Weights> shares = group.run(index -> {
                    Context context = backend.context(new ContextOptions(0, 1, "auto"));
                    context.join(communicator, index);
                    return weights(context, config, new Rank(index, ranks), dtype, source);
                });
                try (Generator generator = new Generator(List.of(new ShardedModel(group, shares, List.of())), SIZES,
                        Silent::new, List.of())) {
                    List<Completion> result = generator.generate(List.of(REQUEST)).getFirst();
                    for (int i = 0; i < alone.size(); i++) {
                        assertArrayEquals(alone.get(i).ids(), result.get(i).ids());
                        assertArrayEquals(alone.get(i).logProbabilities(), result.get(i).logProbabilities(), 0);
                    }
                }
                group.close(index -> shares.get(index).context().close());
            }
        }
    }

    @Test
    void aRankThatFailsReleasesTheOthers() {
        try (Backend backend = Backend.open(NativeLibraries.find("cpu"));
                Communicator communicator = new Communicator(backend, 2);
                RankGroup group = TestRanks.group(communicator)) {
            IllegalStateException failure = assertThrows(IllegalStateException.class, () -> group.run(index -> {
                if (index == 1) {
                    throw new IllegalStateException("out of memory");
                }
                try (Context context = backend.context(new ContextOptions(0, 1, "auto"))) {
                    context.join(communicator, index);
                    new Ops(context).allGather(context.allocate(DType.F32, 2), context.allocate(DType.F32, 1));
                    return index;
                }
            }));
            assertEquals("rank 1: out of memory", failure.getMessage());
        }
    }

    /** If all ranks reject an input, no rank waits for another rank, so the group can run further work. */
    @Test
    void whatEveryRankRefusesEndsNothing() {
        try (Backend backend = Backend.open(NativeLibraries.find("cpu"));
                Communicator communicator = new Communicator(backend, 2);
                RankGroup group = TestRanks.group(communicator)) {
            for (int time = 0; time < 2; time++) {
                assertEquals("slot: 7, expected 0", assertThrows(InputException.class, () -> group.run(index -> {
                    throw InputException.field("slot", "7, expected 0");
                })).getMessage());
                assertEquals(List.of(0, 1), group.run(index -> index));
            }
        }
    }

    /**
     * If only one rank rejects an input, the other ranks may be waiting for this rank. They stop waiting, and then the
     * group is unusable.
     */
    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void whatOneRankRefusesEndsTheGroup(int which) {
        try (Backend backend = Backend.open(NativeLibraries.find("cpu"));
                Communicator communicator = new Communicator(backend, 2);
                RankGroup group = TestRanks.group(communicator)) {
            String message = assertThrows(InputException.class, () -> group.run(index -> {
                if (index == which) {
                    throw InputException.field("slot", "7, expected 0");
                }
                try (Context context = backend.context(new ContextOptions(0, 1, "auto"))) {
                    context.join(communicator, index);
                    new Ops(context).allGather(context.allocate(DType.F32, 2), context.allocate(DType.F32, 1));
                    return index;
                }
            })).getMessage();
            assertEquals("slot: 7, expected 0", message);
            assertEquals(message, assertThrows(InputException.class, () -> group.run(index -> index)).getMessage());
        }
    }

    /** Completions that ended before the failure are still delivered. Every later call throws the same exception. */
    @Test
    void aRankThatFailsBetweenStepsEndsTheGeneration() {
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"));
                Communicator communicator = new Communicator(backend, 2);
                RankGroup group = TestRanks.group(communicator)) {
            WeightSource source = source(arena, CONFIG);
            List<Weights> shares = group.run(index -> {
                Context context = backend.context(new ContextOptions(0, 1, "auto"));
                context.join(communicator, index);
                return weights(context, CONFIG, new Rank(index, 2), DType.F32, source);
            });
            // At the fourth token the generator waits until the fault is queued, so that the second request cannot end
            // before the fault.
            CountDownLatch faultQueued = new CountDownLatch(1);
            AtomicInteger tokens = new AtomicInteger();
            Generator generator = new Generator(List.of(new ShardedModel(group, shares, List.of())), SIZES,
                    () -> new Silent() {
                        @Override
                        public String append(int id) {
                            if (tokens.incrementAndGet() == 4) {
                                await(faultQueued);
                            }
                            return super.append(id);
                        }
                    }, List.of());
            List<Completion> ended = new ArrayList<>();
            generator.submit(Request.of(new int[] {1, 2}, 1, SamplingParams.greedy(1)), completion -> {
                ended.add(completion);
                group.post(() -> group.follow(rank -> {
                    throw new IllegalStateException("the device is gone");
                }));
                faultQueued.countDown();
            });
            generator.submit(Request.of(new int[] {3, 4}, 1, SamplingParams.greedy(90)), ended::add);
            for (int time = 0; time < 2; time++) {
                IllegalStateException failure = assertThrows(IllegalStateException.class, () -> {
                    while (generator.step()) {
                        continue;
                    }
                });
                assertEquals("rank 1: the device is gone", failure.getMessage());
                assertEquals(1, ended.size());
            }
            generator.close();
            group.close(index -> shares.get(index).context().close());
        }
    }

    @Test
    void refusesWhatRanksCannotShare() {
        assertThrows(InputException.class, () -> new Rank(0, 3));
        assertThrows(InputException.class, () -> new Rank(2, 2));
    }

    private static Weights weights(Context context, Blueprint config, Rank rank, DType dtype, WeightSource source) {
        return Weights.load(context, config, new Precision(dtype, DType.F32, dtype), rank, source,
                (layers, of) -> { });
    }

    private static WeightSource source(Arena arena, Blueprint config) {
        Map<String, HostTensor> tensors = new HashMap<>();
        Random random = new Random(3);
        config.parameters().all().forEach(p -> put(tensors, arena, random, p.name(), p.shape()));
        return tensors::get;
    }

    private static void put(Map<String, HostTensor> tensors, Arena arena, Random random, String name, long... shape) {
        long elements = shape[0] * (shape.length > 1 ? shape[1] : 1);
        MemorySegment data = arena.allocate(elements * Float.BYTES, 64);
        for (long i = 0; i < elements; i++) {
            float mean = shape.length > 1 ? 0 : 1;
            data.setAtIndex(ValueLayout.JAVA_FLOAT, i, mean + (float) random.nextGaussian() * 0.15f);
        }
        tensors.put(name, new HostTensor(DType.F32, shape, data));
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** Decodes every token to empty text, because the tests do not compare texts. */
    private static class Silent implements StreamingDecoder {
        @Override
        public String append(int id) {
            return "";
        }

        @Override
        public String flush() {
            return "";
        }
    }
}
