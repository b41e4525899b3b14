package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The samples are the same even if the host reads drawn tokens one or several steps late. */
class GeneratorLagTest {
    private static final int[] PROMPT = TinyModel.prompt(53, 3);
    private static final SamplingParams OPEN = SamplingParams.sampled(0.9f, 0.95f, 40, 11);

    static Stream<Arguments> ways() {
        List<GeneratorConfig> configs = List.of(
                TinyModel.roomy(),
                GeneratorConfig.of(TinyModel.CONTEXT, 32, 32).withCacheTokens(8192).withBlockSize(16)
                .withSharePrefix(false), GeneratorConfig.of(TinyModel.CONTEXT, 5, 37).withCacheTokens(TinyModel.CONTEXT)
                        .withBlockSize(16),
                GeneratorConfig.of(TinyModel.CONTEXT, 12, 19).withCacheTokens(TinyModel.CONTEXT).withBlockSize(16)
                .withPrefixCache(false), GeneratorConfig.of(TinyModel.CONTEXT, 1, 64).withCacheTokens(TinyModel.CONTEXT)
                        .withBlockSize(16).withPrefixCache(false));
        return configs.stream().flatMap(config -> Stream.of(DType.F32, DType.BF16)
                .map(dtype -> Arguments.of(config, dtype)));
    }

    @ParameterizedTest
    @MethodSource("ways")
    void everyLagYieldsTheSame(GeneratorConfig config, DType dtype) {
        List<List<Completion>> expected = run(config, dtype, 0);
        Set<FinishReason> reasons = EnumSet.noneOf(FinishReason.class);
        expected.forEach(request -> request.forEach(completion -> reasons.add(completion.reason())));
        assertEquals(EnumSet.of(FinishReason.STOP, FinishReason.LENGTH), reasons);
        for (int lag = 1; lag <= 3; lag++) {
            List<List<Completion>> actual = run(config, dtype, lag);
            for (int r = 0; r < expected.size(); r++) {
                assertSame(expected.get(r), actual.get(r));
            }
        }
    }

    private static List<List<Completion>> run(GeneratorConfig config, DType dtype, int lag) {
        try (TinyModel model = new TinyModel(dtype, 1)) {
            AdapterBank bank = new AdapterBank(model.context, model.weights, 2, 2, config.maxBatchTokens());
            Generator generator = model.generator(config, bank, lag);
            generator.loadAdapter(0, List.of(adapter(3)));
            generator.loadAdapter(1, List.of(adapter(-2)));
            List<List<Completion>> first = generator.generate(requests());
            List<List<Completion>> again = generator.generate(requests());
            for (int i = 0; i < first.size(); i++) {
                assertSame(first.get(i), again.get(i));
            }
            GeneratorStats stats = generator.stats();
            assertEquals(2L * first.stream().flatMap(List::stream).mapToInt(c -> c.ids().length).sum(), stats.tokens());
            assertEquals(lag > 0, stats.surplus() > 0, stats::toString);
            return first;
        }
    }

    /**
     * Returns requests whose samples end with a stop token, with a stop string, at the maximum length, or at the end of
     * the context. One request has many samples that draw from the same row of logits. There are more samples than fit
     * into a batch.
     */
    private static List<Request> requests() {
        SamplingParams strings = SamplingParams.sampled(0.9, 1, 60, 5).withTopK(20)
                .withStop(List.of("><5", "1>", "<9"));
        SamplingParams tokens = SamplingParams.sampled(1.2, 0.9, 50, 6).withStopTokens(List.of(3, 8, 21, 40))
                .withIgnoreEos(true);
        SamplingParams biased = tokens.withMinTokens(11).withLogitBias(Map.of(5, 3f, 60, -100f, 8, 4f));
        SamplingParams once = SamplingParams.sampled(1, 1, 1, 4);
        return List.of(new Request(PROMPT, 8, 0, OPEN, -1, false),
                new Request(Arrays.copyOf(PROMPT, 48), 3, 2, strings, -1, true).withTopTokens(3),
                new Request(PROMPT, 4, 1, tokens, 0, false),
                new Request(PROMPT, 6, 0, biased, -1, false).withTopTokens(2),
                new Request(TinyModel.prompt(33, 5), 2, 0, strings.withMinTokens(15), 0, true),
                new Request(TinyModel.prompt(1, 9), 6, 0, OPEN, 1, false),
                new Request(TinyModel.prompt(40, 6), 13, 0, once, -1, true).withTopTokens(20),
                new Request(TinyModel.prompt(90, 4), 1, 0, SamplingParams.greedy(1), 1, true),
                new Request(TinyModel.prompt(TinyModel.CONTEXT - 3, 8), 1, 0, OPEN, -1, false));
    }

    private static LoraModule adapter(float b) {
        float[] a = new float[2 * 112];
        for (int i = 0; i < a.length; i++) {
            a[i] = (i % 13 - 6) * 0.1f;
        }
        float[] bs = new float[64 * 2];
        for (int i = 0; i < bs.length; i++) {
            bs[i] = b * (i % 5 - 2);
        }
        return new LoraModule(1, Projection.DOWN_PROJ, 2, 2f, a, bs);
    }

    private static void assertSame(List<Completion> expected, List<Completion> actual) {
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            Completion e = expected.get(i);
            Completion a = actual.get(i);
            assertEquals(e.sample(), a.sample());
            assertArrayEquals(e.ids(), a.ids());
            assertArrayEquals(bits(e.logProbabilities()), bits(a.logProbabilities()));
            assertEquals(e.text(), a.text());
            assertEquals(e.reason(), a.reason());
            assertArrayEquals(bits(e.promptLogProbabilities()), bits(a.promptLogProbabilities()));
            assertEquals(list(e.topTokens()), list(a.topTokens()));
            assertEquals(list(e.promptTopTokens()), list(a.promptTopTokens()));
        }
    }

    private static List<String> list(TopTokens top) {
        return top == null ? null : IntStream.range(0, top.positions() * top.n()).mapToObj(i ->
                top.id(i / top.n(), i % top.n()) + " " + top.logProbability(i / top.n(), i % top.n())).toList();
    }

    private static int[] bits(float[] values) {
        return values == null ? null : IntStream.range(0, values.length).map(i -> Float.floatToRawIntBits(values[i]))
                .toArray();
    }

    @Test
    void aSampleIsCancelledWithItsTokenUnread() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            GeneratorConfig config = GeneratorConfig.of(TinyModel.CONTEXT, 8, 64).withCacheTokens(TinyModel.CONTEXT)
                    .withBlockSize(16);
            Generator generator = model.generator(config, null, 1);
            SamplingParams params = OPEN.withIgnoreEos(true);
            List<Completion> whole = generator.generate(List.of(Request.of(PROMPT, 4, params))).getFirst();
            List<Completion> seen = new ArrayList<>();
            Ticket ticket = generator.submit(Request.of(PROMPT, 4, params), seen::add);
            Ticket early = generator.submit(Request.of(TinyModel.prompt(70, 2), 3, params), seen::add);
            generator.step();
            for (int i = 0; i < 3; i++) {
                early.cancel(i);
            }
            for (int i = 0; i < 10; i++) {
                generator.step();
            }
            assertEquals(3, seen.stream().filter(c -> c.reason() == FinishReason.CANCELLED && c.ids().length == 0)
                    .count());
            ticket.cancel(2);
            while (generator.step()) {
                continue;
            }
            assertFalse(generator.step());
            List<Completion> rest = new ArrayList<>(seen.subList(3, 7));
            rest.sort(Comparator.comparingInt(Completion::sample));
            int[] cut = rest.get(2).ids();
            assertEquals(FinishReason.CANCELLED, rest.get(2).reason());
            assertTrue(cut.length > 0 && cut.length < 40);
            assertArrayEquals(Arrays.copyOf(whole.get(2).ids(), cut.length), cut);
            rest.set(2, whole.get(2));
            assertSame(whole, rest);
        }
    }

    @Test
    void onlyAnEndThatTheHostCannotForeseeCostsATokenMore() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            Generator generator = model.generator(TinyModel.roomy(), null, 1);
            SamplingParams params = OPEN.withIgnoreEos(true);
            int[] ids = generator.generate(List.of(Request.of(PROMPT, 3, params))).getFirst().get(1).ids();
            GeneratorStats whole = generator.stats();
            assertEquals(40, whole.steps());
            assertEquals(120, whole.tokens());
            assertEquals(0, whole.surplus());
            assertEquals(40, whole.eagerSteps() + whole.graphCaptures() + whole.graphReplays());
            assertTrue(whole.stepMillis() > 0 && whole.hostWaitMillis() > 0 && whole.hostWaitShare() < 1,
                    whole::toString);
            SamplingParams stopped = params.withStopTokens(List.of(ids[7]));
            Completion completion = generator.generate(List.of(new Request(PROMPT, 1, 1, stopped, -1, false)))
                    .getFirst().getFirst();
            GeneratorStats stats = generator.stats().since(whole);
            assertEquals(completion.ids().length, stats.tokens());
            assertEquals(1, stats.surplus());
            assertEquals(completion.ids().length + 1, stats.steps());
        }
    }

    @Test
    void aBlockIsKnownToOthersWhenItsLastTokenIsRead() {
        BlockPool pool = new BlockPool(2, 16, true);
        int[] prompt = TinyModel.prompt(15, 1);
        Ticket ticket = new Ticket(Request.of(prompt, 1, OPEN), completion -> { },
                TokenBias.of(OPEN, Set.of(), TinyModel.VOCABULARY), () -> null);
        Sequence sample = new Sequence(ticket, 0, new BlockTable(pool, -1));
        assertTrue(sample.table.grow(16));
        sample.advance(15);
        sample.draw(0);
        sample.advance(1);
        sample.draw(0);
        int[] content = Arrays.copyOf(prompt, 16);
        assertNull(pool.find(BlockPool.ROOT, -1, content));
        content[15] = 42;
        sample.append(42, -1f);
        assertEquals(sample.table.first(), pool.find(BlockPool.ROOT, -1, content).block());
        assertEquals(17, sample.length());
        assertEquals(1, sample.unread());
    }

    @Test
    void logitsThatAreNotNumbersAreAnErrorAStepLate() {
        try (TinyModel model = new TinyModel(DType.F32, 1)) {
            float[] norm = new float[64];
            Arrays.fill(norm, Float.NaN);
            model.context.write(model.weights.norm(), norm);
            Generator generator = model.generator(TinyModel.roomy(), null, 1);
            InputException failure = assertThrows(InputException.class,
                    () -> generator.generate(List.of(Request.of(PROMPT, 2, OPEN))));
            assertEquals("the model: the logits are not finite at position " + PROMPT.length
                    + ", expected weights that give finite logits", failure.getMessage());
        }
    }
}
