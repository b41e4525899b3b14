package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests the generation loop on an asynchronous backend that replays graphs. If a value is read or overwritten too
 * early, or is wrongly fixed in a graph, another token is generated.
 */
class GeneratorDeviceTest {
    /** The backend. The system property {@code ingrain.device.backend} selects another one. */
    private static final String BACKEND = System.getProperty("ingrain.device.backend", "simt");
    private static final int[] PROMPT = TinyModel.prompt(21, 3);
    /**
     * Tolerance for results that differ in the order of summation. The results are F32, and the magnitude of a logit is
     * at most a few units.
     */
    private static final float SUMS = 1e-4f;
    private static final GeneratorConfig ROOMY = GeneratorConfig.of(64, 6, 64).withCacheTokens(1024).withBlockSize(16);
    private static final GeneratorConfig TIGHT = GeneratorConfig.of(64, 5, 24).withCacheTokens(64).withBlockSize(16);

    /** The orders in which the emulated GPU runs the threads of a block. A real GPU has only the entry "auto". */
    static Stream<String> orders() {
        return BACKEND.equals("simt") ? Stream.of("ascending", "descending") : Stream.of("auto");
    }

    private static TinyModel open(String order) {
        try {
            return new TinyModel(BACKEND, new ContextOptions(0, 0, order));
        } catch (InputException e) {
            System.out.println("Skipped: " + e.getMessage());
            Assumptions.abort(e.getMessage());
            throw e;
        }
    }

    private static List<Request> requests() {
        SamplingParams ending = SamplingParams.sampled(1.1, 0.95, 14, 5).withStop(List.of("><5"))
                .withStopTokens(List.of(3, 8, 21));
        return List.of(new Request(PROMPT, 3, 0, ending, -1, false),
                new Request(TinyModel.prompt(16, 6), 2, 1, SamplingParams.sampled(0.9f, 1, 9, 2), 0, true),
                new Request(TinyModel.prompt(1, 9), 7, 0, SamplingParams.sampled(1, 1, 2, 4), -1, false),
                Request.of(PROMPT, 2, ending.withMinTokens(3)),
                Request.of(PROMPT, 1, ending.withMaxTokens(2).withLogitBias(Map.of(5, 3f, 60, -100f))),
                new Request(TinyModel.prompt(30, 2), 1, 0, SamplingParams.greedy(12), 1, false));
    }

    private static LoraModule adapter(float b, Projection projection) {
        float[] a = new float[2 * 64];
        float[] bs = new float[64 * 2];
        for (int i = 0; i < a.length; i++) {
            a[i] = (i % 13 - 6) * 0.1f;
            bs[i] = b * (i % 5 - 2);
        }
        return new LoraModule(1, projection, 2, 2f, a, bs);
    }

    @ParameterizedTest
    @MethodSource("orders")
    void aStepBehindYieldsTheSame(String order) {
        if (!order.equals("descending")) {
            assertAStepBehindYieldsTheSame(order, ROOMY);
        }
        if (!order.equals("ascending")) {
            assertAStepBehindYieldsTheSame(order, TIGHT);
        }
    }

    @Tag("long")
    @ParameterizedTest
    @MethodSource("orders")
    void aStepBehindYieldsTheSameInTheOtherOrder(String order) {
        assertAStepBehindYieldsTheSame(order, order.equals("ascending") ? TIGHT : ROOMY);
    }

    private static void assertAStepBehindYieldsTheSame(String order, GeneratorConfig config) {
        List<Completion> expected = run(order, config, 0, stats -> assertGraphs(stats, false));
        assertSame(expected, run(order, config, 1, stats -> assertGraphs(stats, true)));
    }

    private static void assertGraphs(GeneratorStats stats, boolean surplus) {
        assertTrue(stats.graphCaptures() > 1 && stats.graphReplays() > 1, stats::toString);
        assertEquals(stats.steps(), stats.eagerSteps() + stats.graphCaptures() + stats.graphReplays());
        assertEquals(surplus, stats.surplus() > 0, stats::toString);
    }

    private static void assertSame(List<Completion> expected, List<Completion> actual) {
        for (int i = 0; i < expected.size(); i++) {
            assertArrayEquals(expected.get(i).ids(), actual.get(i).ids());
            assertArrayEquals(expected.get(i).logProbabilities(), actual.get(i).logProbabilities(), 0);
            assertEquals(expected.get(i).reason(), actual.get(i).reason());
            assertArrayEquals(expected.get(i).promptLogProbabilities(), actual.get(i).promptLogProbabilities(), 0);
        }
    }

    /** The limit of tokens per step, which determines how prompts are split into steps, does not affect the results. */
    @ParameterizedTest
    @MethodSource("orders")
    void theTokensOfAStepDoNotMatter(String order) {
        List<Completion> expected = run(order, ROOMY, 1, stats -> { });
        for (int tokens : new int[] {ROOMY.maxSequences(), 2048}) {
            assertSame(expected, run(order, GeneratorConfig.of(64, ROOMY.maxSequences(), tokens)
                    .withCacheTokens(ROOMY.cacheTokens()).withBlockSize(ROOMY.blockSize()), 1, stats -> { }));
        }
    }

    private static List<Completion> run(String order, GeneratorConfig config, int lag, Consumer<GeneratorStats> check) {
        try (TinyModel model = open(order)) {
            model.context.setDeterministic(true);
            AdapterBank bank = new AdapterBank(model.context, model.weights, 2, 2, config.maxBatchTokens());
            Generator generator = model.generator(config, bank, lag);
            generator.loadAdapter(0, List.of(adapter(3, Projection.Q_PROJ)));
            generator.loadAdapter(1, List.of(adapter(2, Projection.O_PROJ)));
            List<Completion> all = new ArrayList<>();
            generator.generate(requests()).forEach(all::addAll);
            generator.loadAdapter(1, List.of(adapter(-1, Projection.O_PROJ), adapter(1, Projection.Q_PROJ)));
            generator.generate(requests()).forEach(all::addAll);
            check.accept(generator.stats());
            return all;
        }
    }

    @ParameterizedTest
    @MethodSource("orders")
    void repliesAreThoseOfTheCpu(String order) {
        List<Request> requests = List.of(Request.of(PROMPT, 1, SamplingParams.greedy(20)),
                Request.of(TinyModel.prompt(35, 5), 1, SamplingParams.greedy(12)),
                new Request(TinyModel.prompt(5, 7), 3, 0, SamplingParams.sampled(0.9f, 1, 16, 1), -1, true));
        List<List<Completion>> expected;
        try (TinyModel model = new TinyModel("cpu", new ContextOptions(0, 1, "auto"))) {
            expected = model.generator(ROOMY).generate(requests);
        }
        try (TinyModel model = open(order)) {
            Generator generator = model.generator(ROOMY);
            List<List<Completion>> actual = generator.generate(requests);
            for (int r = 0; r < expected.size(); r++) {
                for (int i = 0; i < expected.get(r).size(); i++) {
                    Completion e = expected.get(r).get(i);
                    Completion a = actual.get(r).get(i);
                    assertArrayEquals(e.ids(), a.ids(), () -> Arrays.toString(e.ids()) + " against "
                            + Arrays.toString(a.ids()));
                    assertArrayEquals(e.logProbabilities(), a.logProbabilities(), SUMS);
                }
            }
            assertTrue(generator.stats().graphReplays() > 0, generator.stats()::toString);
        }
    }
}
