package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.step.StepPlan;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests {@code minTokens} and {@code logitBias}. {@link ReferenceSampler} draws the expected tokens one by one. */
class LogitBiasTest {
    private static final int[] PROMPT = TinyModel.prompt(21, 3);
    private static final Set<Integer> EOS = Set.of(7, 14);
    /** A third of the vocabulary, so that a sample soon draws one of these tokens. */
    private static final List<Integer> ENDS = IntStream.range(0, 32).map(i -> 3 * i).boxed().toList();
    private static final SamplingParams WARM = SamplingParams.sampled(1, 0.95, 20, 5);
    private static final GeneratorConfig ROOMY = GeneratorConfig.of(64, 6, 64).withCacheTokens(1024).withBlockSize(16);
    /** Sizes so small that samples must wait for their first step and are evicted. */
    private static final GeneratorConfig TIGHT = GeneratorConfig.of(64, 3, 24).withCacheTokens(96).withBlockSize(16);
    /**
     * Tolerance for an emulated GPU, which adds in a different order. The results are F32, and the magnitude of a logit
     * is at most a few units.
     */
    private static final float SUMS = 1e-4f;

    private static TinyModel open(String backend) {
        return new TinyModel(backend, new ContextOptions(0, backend.equals("cpu") ? 1 : 0, "auto"));
    }

    private static List<Request> requests() {
        Map<Integer, Float> some = IntStream.range(0, 40).boxed()
                .collect(Collectors.toMap(i -> 2 * i, i -> i % 7 - 3f));
        return List.of(Request.of(PROMPT, 5, WARM.withStopTokens(ENDS).withMinTokens(9)),
                Request.of(PROMPT, 2, WARM.withStopTokens(ENDS).withMinTokens(20)).withTopTokens(2),
                new Request(TinyModel.prompt(9, 4), 3, 2, WARM.withLogitBias(some).withIgnoreEos(true), -1, true),
                Request.of(PROMPT, 1, SamplingParams.greedy(15).withLogitBias(some)),
                Request.of(PROMPT, 2, WARM.withTopK(9).withStopTokens(ENDS).withLogitBias(some).withMinTokens(4)),
                Request.of(PROMPT, 2, WARM));
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "simt"})
    void tokensAreThoseOfTheReference(String backend) {
        try (TinyModel model = open(backend)) {
            ReferenceSampler reference = new ReferenceSampler(model, EOS);
            Map<Integer, List<ReferenceSampler.Sample>> expected = new HashMap<>();
            for (GeneratorConfig config : List.of(ROOMY, TIGHT)) {
                for (int lag = 0; lag < 3; lag++) {
                    Generator generator = model.generator(config, null, lag);
                    List<List<Completion>> actual = generator.generate(requests());
                    for (int r = 0; r < actual.size(); r++) {
                        Request request = requests().get(r);
                        assertSame(expected.computeIfAbsent(r, any -> reference.samples(request)), actual.get(r));
                    }
                    assertTrue(config == ROOMY || generator.load().preemptions() > 0, "no sample was evicted");
                    generator.close();
                }
            }
            List<Integer> lengths = expected.get(0).stream().map(sample -> sample.ids().length).toList();
            assertTrue(lengths.stream().allMatch(length -> length > 9),
                    "a sample ended within its first 9 tokens: " + lengths);
            assertTrue(lengths.stream().anyMatch(length -> length < 20),
                    "no sample ended after its first 9 tokens: " + lengths);
            Request free = Request.of(PROMPT, 5, WARM.withStopTokens(ENDS));
            assertTrue(reference.samples(free).stream().anyMatch(sample -> sample.ids().length < 9),
                    "without the ban, no sample would end earlier");
        }
    }

    private static void assertSame(List<ReferenceSampler.Sample> expected, List<Completion> actual) {
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            int[] ids = expected.get(i).ids();
            assertArrayEquals(ids, actual.get(i).ids(), () -> "expected " + Arrays.toString(ids));
            assertArrayEquals(expected.get(i).logProbabilities(), actual.get(i).logProbabilities(), SUMS);
        }
    }

    /** The results of a request have the same bits when it runs alone and in a batch with requests that have a bias. */
    @ParameterizedTest
    @ValueSource(strings = {"cpu", "simt"})
    void neighboursOfBiasedRowsAreUnchanged(String backend) {
        try (TinyModel model = open(backend)) {
            model.context.setDeterministic(true);
            Generator generator = model.generator(ROOMY);
            for (Request request : requests()) {
                List<Completion> alone = generator.generate(List.of(request)).getFirst();
                List<Request> mixed = new ArrayList<>(requests());
                mixed.addFirst(request);
                List<Completion> together = generator.generate(mixed).getFirst();
                for (int i = 0; i < alone.size(); i++) {
                    assertArrayEquals(alone.get(i).ids(), together.get(i).ids());
                    assertArrayEquals(alone.get(i).logProbabilities(), together.get(i).logProbabilities(), 0);
                }
            }
        }
    }

    /**
     * A bias of 100 forces a token. But the reported log-probability of this token and the reported most probable
     * tokens ignore the bias.
     */
    @ParameterizedTest
    @ValueSource(strings = {"cpu", "simt"})
    void logProbabilitiesAreThoseOfTheModel(String backend) {
        try (TinyModel model = open(backend)) {
            Generator generator = model.generator(ROOMY);
            for (SamplingParams params : List.of(SamplingParams.greedy(8), WARM.withMaxTokens(8))) {
                Completion forced = generator.generate(List.of(Request.of(PROMPT, 1, params
                        .withLogitBias(Map.of(42, 100f))).withTopTokens(5))).getFirst().getFirst();
                int[] expected = new int[8];
                Arrays.fill(expected, 42);
                assertArrayEquals(expected, forced.ids());
                int[] whole = Arrays.copyOf(PROMPT, PROMPT.length + 8);
                Arrays.fill(whole, PROMPT.length, whole.length, 42);
                Completion scored = generator.generate(List.of(new Request(whole, 1, 0, SamplingParams.greedy(1), -1,
                        true).withTopTokens(5))).getFirst().getFirst();
                assertTrue(forced.logProbabilities()[0] < -0.5f, "the token is improbable without the bias");
                for (int i = 0; i < 8; i++) {
                    int at = PROMPT.length + i;
                    assertEquals(scored.promptLogProbabilities()[at], forced.logProbabilities()[i], SUMS);
                    for (int rank = 0; rank < 5; rank++) {
                        assertEquals(scored.promptTopTokens().id(at, rank), forced.topTokens().id(i, rank));
                        assertEquals(scored.promptTopTokens().logProbability(at, rank),
                                forced.topTokens().logProbability(i, rank), SUMS);
                    }
                }
            }
        }
    }

    @Test
    void stopStringsEndNoSampleBeforeMinTokens() {
        try (TinyModel model = open("cpu")) {
            Generator generator = model.generator(ROOMY);
            SamplingParams params = WARM.withIgnoreEos(true);
            int[] ids = one(generator, params).ids();
            // The first character of "><" ends one token's text, and the second character begins the text of the next
            // token.
            Completion early = one(generator, params.withStop(List.of("><")));
            assertEquals("<" + ids[0], early.text());
            for (int minTokens : new int[] {1, 6, 19}) {
                StringBuilder shown = new StringBuilder();
                Completion[] last = new Completion[1];
                generator.submit(Request.of(PROMPT, 1, params.withStop(List.of("><")).withMinTokens(minTokens)),
                        new GenerationListener() {
                            @Override
                            public void text(int sample, String piece) {
                                shown.append(piece);
                            }

                            @Override
                            public void finished(Completion completion) {
                                last[0] = completion;
                            }
                        });
                while (generator.step()) {
                    continue;
                }
                String text = spell(Arrays.copyOf(ids, minTokens));
                assertEquals(FinishReason.STOP, last[0].reason());
                assertArrayEquals(Arrays.copyOf(ids, minTokens + 1), last[0].ids());
                assertEquals(text.substring(0, text.length() - 1), last[0].text());
                assertEquals(last[0].text(), shown.toString());
            }
            Completion whole = one(generator, params.withStop(List.of("><")).withMinTokens(20));
            assertEquals(FinishReason.LENGTH, whole.reason());
            assertEquals(spell(ids), whole.text());
        }
    }

    private static Completion one(Generator generator, SamplingParams params) {
        return generator.generate(List.of(Request.of(PROMPT, 1, params))).getFirst().getFirst();
    }

    private static String spell(int[] ids) {
        return Arrays.stream(ids).mapToObj(id -> "<" + id + ">").collect(Collectors.joining());
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        Map<Integer, Float> many = IntStream.range(0, 301).boxed().collect(Collectors.toMap(i -> i, i -> 1f));
        assertRefused("minTokens: -1, expected 0 to the maximum number of tokens, 20", () -> WARM.withMinTokens(-1));
        assertRefused("minTokens: 21, expected 0 to the maximum number of tokens, 20", () -> WARM.withMinTokens(21));
        assertRefused("logitBias: 301 ids, expected at most 300", () -> WARM.withLogitBias(many));
        for (float value : new float[] {100.5f, -101, Float.NaN, Float.NEGATIVE_INFINITY}) {
            assertRefused("logitBias: " + value + " for token id 3, expected -100 to 100",
                    () -> WARM.withLogitBias(Map.of(3, value)));
        }
        try (TinyModel model = open("cpu")) {
            Generator generator = model.generator(ROOMY, null, 0);
            for (int id : new int[] {-1, TinyModel.VOCABULARY}) {
                assertRefused("logitBias: token id " + id + ", expected 0 to 96",
                        () -> one(generator, WARM.withLogitBias(Map.of(id, 1f))));
            }
            List<Integer> every = IntStream.range(0, TinyModel.VOCABULARY).boxed().toList();
            assertRefused("minTokens: 2, expected 0, because every token of the vocabulary ends a sample",
                    () -> one(generator, WARM.withStopTokens(every).withMinTokens(2)));
            assertEquals(1, one(generator, WARM.withStopTokens(every)).ids().length);
            // A stop token outside the vocabulary is never drawn, so it needs no ban.
            one(generator, WARM.withStopTokens(List.of(-5, TinyModel.VOCABULARY + 3)).withMinTokens(2));
        }
        List<Integer> ends = IntStream.range(0, StepPlan.MAX_BIASES - 1).boxed().toList();
        TokenBias.of(WARM.withStopTokens(ends).withMinTokens(1), Set.of(600), 1000);
        assertRefused("minTokens: 1 with 513 ids of stop tokens and logit biases, expected at most 512 ids",
                () -> TokenBias.of(WARM.withStopTokens(ends).withMinTokens(1), Set.of(600, 601), 1000));
    }

    private static void assertRefused(String message, Runnable wrong) {
        assertEquals(message, assertThrows(InputException.class, wrong::run).getMessage());
    }
}
