package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.ffi.Inspect;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Group;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.Projection;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The result of a request depends only on the request. */
class GeneratorTest {
    private static final SamplingParams PARAMS = SamplingParams.sampled(0.9f, 0.95f, 40, 11);
    private static final int[] PROMPT = TinyModel.prompt(53, 3);

    static Stream<Arguments> ways() {
        List<GeneratorConfig> configs = List.of(
                TinyModel.roomy(),
                TinyModel.roomy().withPrefixCache(false).withSharePrefix(false),
                GeneratorConfig.of(TinyModel.CONTEXT, 32, 32).withCacheTokens(8192).withBlockSize(64),
                GeneratorConfig.of(TinyModel.CONTEXT, 5, 37).withCacheTokens(TinyModel.CONTEXT).withBlockSize(16),
                GeneratorConfig.of(TinyModel.CONTEXT, 12, 19).withCacheTokens(TinyModel.CONTEXT).withBlockSize(16)
                .withPrefixCache(false));
        return configs.stream().flatMap(config -> Stream.of(DType.F32, DType.BF16).flatMap(dtype ->
                Stream.of(1, 2).map(threads -> Arguments.of(config, dtype, threads))));
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aSampleOfEightEqualsTheSameSampleAlone(GeneratorConfig config, DType dtype, int threads) {
        List<Completion> alone = new ArrayList<>();
        try (TinyModel model = new TinyModel(dtype, 1)) {
            for (int i = 0; i < 8; i++) {
                Generator generator = model.generator(GeneratorConfig.of(TinyModel.CONTEXT, 1, 512)
                        .withBlockSize(config.blockSize()).withPrefixCache(false).withSharePrefix(false));
                alone.add(generator.generate(List.of(new Request(PROMPT, 1, i, PARAMS, -1, false))).getFirst()
                        .getFirst());
            }
        }
        assertTrue(alone.stream().map(c -> List.of(box(c.ids()))).distinct().count() > 1,
                "samples differ from one another");
        try (TinyModel model = new TinyModel(dtype, threads)) {
            Generator generator = model.generator(config);
            List<Completion> together = amongOthers(generator, new Request(PROMPT, 8, 0, PARAMS, -1, false));
            for (int i = 0; i < 8; i++) {
                assertSame(alone.get(i), together.get(i));
            }
            assertSame(alone.get(5), amongOthers(generator, new Request(PROMPT, 8, 0, PARAMS, -1, false)).get(5));
        }
    }

    /**
     * Runs a request together with other requests. Some of the other requests start before this request and some after
     * it.
     */
    private static List<Completion> amongOthers(Generator generator, Request request) {
        List<Completion> completions = new ArrayList<>();
        generator.submit(Request.of(TinyModel.prompt(90, 5), 2, PARAMS), completion -> { });
        generator.submit(Request.of(Arrays.copyOf(PROMPT, 40), 3, PARAMS), completion -> { });
        generator.step();
        generator.submit(request, completions::add);
        for (int steps = 0; generator.step(); steps++) {
            if (steps % 7 == 3 && steps < 60) {
                generator.submit(Request.of(TinyModel.prompt(20 + steps, steps), 1, SamplingParams.greedy(10)),
                        completion -> { });
            }
        }
        completions.sort(Comparator.comparingInt(Completion::sample));
        assertEquals(request.samples(), completions.size());
        return completions;
    }

    private static void assertSame(Completion expected, Completion actual) {
        assertEquals(expected.sample(), actual.sample());
        assertArrayEquals(expected.ids(), actual.ids());
        assertArrayEquals(bits(expected.logProbabilities()), bits(actual.logProbabilities()));
        assertEquals(expected.text(), actual.text());
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }

    private static Integer[] box(int[] values) {
        return Arrays.stream(values).boxed().toArray(Integer[]::new);
    }

    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F32", "BF16"})
    void promptLogProbabilitiesEqualThoseOfTheSameTokensGenerated(DType dtype) {
        try (TinyModel model = new TinyModel(dtype, 2)) {
            Generator generator = model.generator(GeneratorConfig.of(TinyModel.CONTEXT, 4, 512).withCacheTokens(2048)
                    .withBlockSize(16));
            Completion generated = generator.generate(List.of(Request.of(PROMPT, 1, PARAMS))).getFirst().getFirst();
            int[] whole = Arrays.copyOf(PROMPT, PROMPT.length + generated.ids().length);
            System.arraycopy(generated.ids(), 0, whole, PROMPT.length, generated.ids().length);
            Completion scored = generator.generate(List.of(new Request(whole, 1, 0, SamplingParams.greedy(1), -1,
                    true))).getFirst().getFirst();
            assertEquals(whole.length, scored.promptLogProbabilities().length);
            assertTrue(Float.isNaN(scored.promptLogProbabilities()[0]));
            for (int i = 0; i < generated.ids().length; i++) {
                assertEquals(generated.logProbabilities()[i], scored.promptLogProbabilities()[PROMPT.length + i],
                        1e-5f);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F32", "BF16"})
    void topTokensAreThoseOfTheSameLogits(DType dtype) {
        try (TinyModel model = new TinyModel(dtype, 2)) {
            Generator generator = model.generator(TinyModel.roomy());
            SamplingParams greedy = SamplingParams.greedy(12).withIgnoreEos(true);
            Request wanted = Request.of(PROMPT, 1, greedy).withTopTokens(5);
            List<List<Completion>> both = generator.generate(List.of(wanted, Request.of(PROMPT, 9, PARAMS)));
            Completion generated = both.getFirst().getFirst();
            TopTokens top = generated.topTokens();
            assertEquals(12, top.positions());
            for (int i = 0; i < 12; i++) {
                assertEquals(generated.ids()[i], top.id(i, 0), "greedy");
                assertEquals(generated.logProbabilities()[i], top.logProbability(i, 0), 1e-5f);
                for (int rank = 1; rank < 5; rank++) {
                    assertTrue(top.logProbability(i, rank) <= top.logProbability(i, rank - 1));
                }
            }
            assertNull(both.get(1).getFirst().topTokens(), "not requested");
            assertArrayEquals(generator.generate(List.of(Request.of(PROMPT, 1, PARAMS))).getFirst().getFirst().ids(),
                    both.get(1).getFirst().ids(), "independent of requests with top tokens");

            int[] whole = Arrays.copyOf(PROMPT, PROMPT.length + 12);
            System.arraycopy(generated.ids(), 0, whole, PROMPT.length, 12);
            TopTokens prompt = generator.generate(List.of(new Request(whole, 1, 0, SamplingParams.greedy(1), -1, true)
                    .withTopTokens(5))).getFirst().getFirst().promptTopTokens();
            assertEquals(whole.length, prompt.positions());
            assertEquals(-1, prompt.id(0, 0), "the first token has no log-probability");
            for (int i = 0; i < 12; i++) {
                assertEquals(top.id(i, 0), prompt.id(PROMPT.length + i, 0));
                assertEquals(top.logProbability(i, 4), prompt.logProbability(PROMPT.length + i, 4), 1e-5f);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Projection.class)
    void baseAndAdaptedSamplesShareABatch(Projection projection) {
        try (TinyModel model = new TinyModel(DType.F32, 2)) {
            Set<Projection> tables = projection.ofModel() ? Set.of(projection) : Set.of();
            AdapterBank bank = new AdapterBank(model.context, model.weights,
                    new AdapterBank.Limits(2, 4, tables, false, Set.of()), 512);
            Generator generator = model.generator(TinyModel.roomy(), bank);
            generator.loadAdapter(0, List.of(adapter(model, projection, 0)));
            generator.loadAdapter(1, List.of(adapter(model, projection, 3)));
            SamplingParams greedy = SamplingParams.greedy(20);
            List<Request> requests = List.of(Request.of(PROMPT, 1, greedy), new Request(PROMPT, 1, 0, greedy, 0, false),
                    new Request(PROMPT, 1, 0, greedy, 1, false));
            List<List<Completion>> together = generator.generate(requests);
            for (int i = 0; i < 3; i++) {
                assertSame(generator.generate(List.of(requests.get(i))).getFirst().getFirst(),
                        together.get(i).getFirst());
            }
            assertSame(together.get(0).getFirst(), together.get(1).getFirst());
            assertFalse(Arrays.equals(together.get(0).getFirst().logProbabilities(),
                    together.get(2).getFirst().logProbabilities()));
            generator.loadAdapter(1, List.of(adapter(model, projection, 0)));
            assertSame(together.get(0).getFirst(), generator.generate(List.of(requests.get(2))).getFirst().getFirst());
        }
    }

    /**
     * Returns an adapter of one module: a projection of layer 1, the embedding or the output head. The elements of B
     * are multiples of b. If b is 0, the adapter does not change the model.
     */
    private static LoraModule adapter(TinyModel model, Projection projection, float b) {
        int layer = projection.ofModel() ? Group.MODEL : 1;
        Parameter w = model.weights.parameters().get(layer, projection);
        float[] a = new float[2 * Math.toIntExact(projection.inputs(w))];
        for (int i = 0; i < a.length; i++) {
            a[i] = (i % 13 - 6) * 0.1f;
        }
        float[] bs = new float[2 * Math.toIntExact(projection.outputs(w))];
        for (int i = 0; i < bs.length; i++) {
            bs[i] = b * (i % 5 - 2);
        }
        return new LoraModule(layer, projection, 2, 2f, a, bs);
    }

    @Test
    void endsAtStopTokensStopStringsLengthAndContext() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            Generator generator = model.generator(TinyModel.roomy());
            int[] ids = generator.generate(List.of(Request.of(PROMPT, 1, PARAMS))).getFirst().getFirst().ids();
            int stop = ids[9];
            int first = IntStream.range(0, ids.length).filter(i -> ids[i] == stop).findFirst().orElseThrow();
            Completion byToken = one(generator, PARAMS.withStopTokens(List.of(stop)));
            assertEquals(FinishReason.STOP, byToken.reason());
            assertArrayEquals(Arrays.copyOf(ids, first + 1), byToken.ids());
            assertFalse(byToken.text().contains("<" + stop + ">"));
            Completion byText = one(generator, PARAMS.withStop(List.of(stop + "><", "<" + stop + ">")));
            assertEquals(FinishReason.STOP, byText.reason());
            assertEquals(byToken.text(), byText.text());
            assertEquals(FinishReason.LENGTH, one(generator, PARAMS).reason());
            Completion full = one(generator, SamplingParams.greedy(10_000));
            assertEquals(FinishReason.LENGTH, full.reason());
            assertEquals(TinyModel.CONTEXT, PROMPT.length + full.ids().length);
        }
    }

    private static Completion one(Generator generator, SamplingParams params) {
        return generator.generate(List.of(Request.of(PROMPT, 1, params))).getFirst().getFirst();
    }

    @Test
    void aCancelledSampleEndsAndTheOthersAreUnchanged() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            Generator generator = model.generator(TinyModel.roomy());
            List<Completion> whole = generator.generate(List.of(Request.of(PROMPT, 4, PARAMS))).getFirst();
            List<Completion> seen = new ArrayList<>();
            Ticket ticket = generator.submit(Request.of(PROMPT, 4, PARAMS), seen::add);
            for (int i = 0; i < 10; i++) {
                generator.step();
            }
            ticket.cancel(2);
            while (generator.step()) {
                continue;
            }
            seen.sort(Comparator.comparingInt(Completion::sample));
            assertEquals(FinishReason.CANCELLED, seen.get(2).reason());
            assertTrue(seen.get(2).ids().length < 40);
            for (int i : new int[] {0, 1, 3}) {
                assertSame(whole.get(i), seen.get(i));
            }
        }
    }

    @Test
    void refusesWhatDoesNotFit() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            Generator generator = model.generator(TinyModel.roomy());
            InputException tooLong = assertThrows(InputException.class,
                    () -> generator.submit(Request.of(new int[TinyModel.CONTEXT], 1, PARAMS), completion -> { }));
            assertTrue(tooLong.getMessage().contains("256 tokens"), tooLong.getMessage());
            assertThrows(InputException.class, () -> generator.submit(Request.of(new int[] {TinyModel.VOCABULARY}, 1,
                    PARAMS), completion -> { }));
            assertThrows(InputException.class, () -> generator.submit(new Request(PROMPT, 1, 0, PARAMS, 0, false),
                    completion -> { }));
            assertThrows(InputException.class, () -> Request.of(PROMPT, 0, PARAMS));
            assertThrows(InputException.class, () -> SamplingParams.sampled(-1, 1, 1, 0));
        }
    }

    @Test
    void whatIsPlannedIsAllocatedAndFreed() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            GeneratorConfig config = TinyModel.roomy();
            long planned = Generator.bytes(model.weights, config);
            long before = Inspect.allocatedBytes(model.context);
            try (Generator generator = model.generator(config)) {
                assertEquals(planned - model.context.workspaceBytes(), Inspect.allocatedBytes(model.context) - before);
                generator.generate(List.of(Request.of(PROMPT, 2, PARAMS)));
                generator.submit(Request.of(PROMPT, 2, PARAMS), completion -> { });
                generator.step();
            }
            assertEquals(before, Inspect.allocatedBytes(model.context));
        }
    }
}
