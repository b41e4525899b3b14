package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import org.ingrain.checkpoint.AdapterConfig;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests SharedGenerator with the lab model. */
@Timeout(60)
class SharedGeneratorTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final GeneratorConfig SIZES = GeneratorConfig.of(128, 6, 64).withBlockSize(16);
    private static final SamplingParams ENDLESS = SamplingParams.greedy(100).withIgnoreEos(true);

    @TempDir
    private Path temp;

    private static Engine open(int copies) {
        return Engine.open(ModelOptions.of(LAB).withThreads(1).withParallel(new ParallelConfig(1, copies)));
    }

    private static Request request(Engine engine, int i, SamplingParams params, int slot) {
        int[] prompt = engine.encode(List.of(Message.user("Spell the word \"" + "Ann".repeat(1 + i % 3) + "\".")));
        return new Request(prompt, 1 + i % 3, i, params, slot, false).withTopTokens(i % 2);
    }

    /** Collects the output of a request. */
    private static class Collected implements GenerationListener {
        private final Map<Integer, Completion> completions = new ConcurrentHashMap<>();
        private final Map<Integer, RuntimeException> failures = new ConcurrentHashMap<>();
        private final Map<Integer, StringBuilder> texts = new ConcurrentHashMap<>();
        private final Map<Integer, List<GeneratedToken>> tokens = new ConcurrentHashMap<>();
        private final CountDownLatch done;
        final CountDownLatch started = new CountDownLatch(1);

        Collected(Request request) {
            done = new CountDownLatch(request.samples());
        }

        @Override
        public void token(int sample, GeneratedToken token) {
            tokens.computeIfAbsent(sample, i -> new ArrayList<>()).add(token);
            started.countDown();
        }

        @Override
        public void text(int sample, String piece) {
            texts.computeIfAbsent(sample, i -> new StringBuilder()).append(piece);
        }

        @Override
        public void finished(Completion completion) {
            completions.put(completion.sample(), completion);
            done.countDown();
        }

        @Override
        public void failed(int sample, RuntimeException cause) {
            failures.put(sample, cause);
            done.countDown();
        }

        Collected await() throws InterruptedException {
            done.await();
            return this;
        }
    }

    /** Collects the output of a request, but waits at each token until the gate is open. */
    private static final class Gated extends Collected {
        private final CompletableFuture<Void> gate = new CompletableFuture<>();

        Gated(Request request) {
            super(request);
        }

        @Override
        public void token(int sample, GeneratedToken token) {
            super.token(sample, token);
            gate.join();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void requestsOfManyThreadsHaveTheResultsThatTheyHaveAlone(int copies) throws Exception {
        SamplingParams params = SamplingParams.sampled(0.9, 0.95, 24, 5);
        try (Engine engine = open(copies);
             SharedGenerator shared = new SharedGenerator(engine, SIZES, AdapterBank.Limits.of(0, 0));
             var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Request> requests = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                requests.add(request(engine, i, params, -1));
            }
            List<Future<Collected>> answers = requests.stream().map(request -> threads.submit(() -> {
                Collected collected = new Collected(request);
                shared.submit(request, collected);
                return collected.await();
            })).toList();
            List<Collected> together = new ArrayList<>();
            for (Future<Collected> answer : answers) {
                together.add(answer.get());
            }
            try (Generator alone = engine.generator(SIZES)) {   // the shared generator must be idle here
                for (int i = 0; i < requests.size(); i++) {
                    for (Completion expected : alone.generate(List.of(requests.get(i))).getFirst()) {
                        requireEqual(expected, together.get(i));
                    }
                }
            }
            assertEquals(0, shared.unfinishedSamples());
            assertEquals(copies * SIZES.blocks(), shared.load().blocks());
            assertEquals(0, shared.load().running());
            assertTrue(shared.load().prefixHits() > 0 && shared.load().prefixHits() < shared.load().prefixTokens());
        }
    }

    private static void requireEqual(Completion expected, Collected actual) {
        Completion completion = actual.completions.get(expected.sample());
        List<GeneratedToken> tokens = actual.tokens.get(expected.sample());
        assertArrayEquals(expected.ids(), completion.ids());
        assertArrayEquals(expected.logProbabilities(), completion.logProbabilities());
        assertArrayEquals(expected.ids(), tokens.stream().mapToInt(GeneratedToken::id).toArray());
        assertEquals(expected.text(), actual.texts.getOrDefault(expected.sample(), new StringBuilder()).toString());
        for (int i = 0; i < tokens.size(); i++) {
            assertEquals(expected.logProbabilities()[i], tokens.get(i).logProbability());
            assertArrayEquals(expected.topTokens() == null ? new int[0]
                    : new int[] {expected.topTokens().id(i, 0)}, tokens.get(i).topIds());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void cancelledAndAbandonedRequestsEnd(int copies) throws Exception {
        try (Engine engine = open(copies)) {
            Request request = request(engine, 2, ENDLESS, -1);
            Collected last = new Collected(request);
            try (SharedGenerator shared = new SharedGenerator(engine, SIZES, AdapterBank.Limits.of(0, 0))) {
                Collected collected = new Collected(request);
                SharedGenerator.Job job = shared.submit(request, collected);
                collected.started.await();
                job.cancel();
                collected.await();
                assertEquals(3, collected.completions.size());
                assertTrue(collected.completions.values().stream()
                        .anyMatch(completion -> completion.reason() == FinishReason.CANCELLED
                                && completion.ids().length < 100));
                Collected never = new Collected(request);
                shared.submit(request, never).cancel();
                never.await();
                shared.submit(request, last);
                last.started.await();
            }
            assertEquals(3, last.await().completions.size());
        }
    }

    @Test
    void aClosedGeneratorRefusesWork() {
        try (Engine engine = open(1)) {
            SharedGenerator shared = new SharedGenerator(engine, SIZES, AdapterBank.Limits.of(1, 1));
            shared.close();
            Request request = request(engine, 0, ENDLESS, -1);
            assertThrows(IllegalStateException.class, () -> shared.submit(request, new Collected(request)));
            assertThrows(IllegalStateException.class, () -> shared.unloadAdapter(0));
            assertEquals(0, shared.unfinishedSamples());
        }
    }

    /** Writes an adapter of each layer's down_proj; all values of A and B are {@code value}. */
    private Path adapter(Engine engine, String name, float value) {
        int rows = Math.toIntExact(engine.blueprint().hiddenSize());
        int columns = Math.toIntExact(engine.blueprint().intermediateSize());
        float[] a = new float[columns];
        float[] b = new float[rows];
        Arrays.fill(a, value);
        Arrays.fill(b, value);
        Path folder = temp.resolve(name);
        new PeftAdapter(AdapterConfig.of(LAB.toString(), 1, 1, 0, List.of("down_proj")),
                IntStream.range(0, engine.blueprint().numHiddenLayers())
                        .mapToObj(layer -> new LoraModule(layer, Projection.DOWN_PROJ, 1, 1, a, b)).toList(),
                Map.of()).write(folder);
        return folder;
    }

    /** Runs a call on a thread of its own and returns when the call waits for the generator. */
    private static Future<?> queued(Runnable call) throws InterruptedException {
        FutureTask<?> task = new FutureTask<>(call, null);
        Thread thread = Thread.ofPlatform().daemon().start(task);
        while (thread.getState() != Thread.State.WAITING && thread.isAlive()) {
            Thread.sleep(1);
        }
        return task;
    }

    @Test
    void adaptersAreLoadedAndUnloadedWhileRequestsRun() throws Exception {
        try (Engine engine = open(1);
             SharedGenerator shared = new SharedGenerator(engine, SIZES, AdapterBank.Limits.of(1, 1))) {
            Path adapter = adapter(engine, "adapter", 0.3f);
            Collected base = new Collected(request(engine, 0, ENDLESS, -1));
            shared.submit(request(engine, 0, ENDLESS, -1), base);
            int slot = shared.loadAdapter(adapter);
            Gated adapted = new Gated(request(engine, 0, ENDLESS, slot));
            SharedGenerator.Job job = shared.submit(request(engine, 0, ENDLESS, slot), adapted);
            adapted.started.await();
            // Both calls are in the queue before the generator makes its next step, so the request still uses the slot.
            Future<?> unloaded = queued(() -> shared.unloadAdapter(slot));
            Future<?> loaded = queued(() -> shared.loadAdapter(adapter));
            adapted.gate.complete(null);
            unloaded.get();
            assertTrue(assertThrows(ExecutionException.class, loaded::get).getCause().getMessage()
                    .contains("all 1 adapter slots are in use"));
            Collected late = new Collected(request(engine, 0, ENDLESS, slot));
            shared.submit(request(engine, 0, ENDLESS, slot), late);
            assertEquals("adapter slot 0: no adapter is loaded there", late.await().failures.get(0).getMessage());
            job.cancel();
            adapted.await();
            base.await();
            assertEquals(slot, shared.loadAdapter(adapter));
            assertThrows(InputException.class, () -> shared.loadAdapter(temp.resolve("missing")));
            assertThrows(InputException.class,
                    () -> shared.submit(request(engine, 0, ENDLESS, 1), new Collected(request(engine, 0, ENDLESS, 1))));
        }
    }

    @Test
    void undefinedLogitsEndOnlyTheirOwnSamples() throws Exception {
        try (Engine engine = open(1);
             SharedGenerator shared = new SharedGenerator(engine, SIZES, AdapterBank.Limits.of(1, 1))) {
            int slot = shared.loadAdapter(adapter(engine, "broken", Float.NaN));
            Request sound = request(engine, 1, ENDLESS, -1);
            Request broken = request(engine, 1, ENDLESS, slot);
            Collected expected = new Collected(sound);
            Collected failed = new Collected(broken);
            shared.submit(sound, expected);
            shared.submit(broken, failed);
            assertTrue(failed.await().failures.get(1).getMessage().contains("the logits are not finite"));
            assertEquals(2, failed.failures.size());
            assertEquals(100, expected.await().completions.get(1).ids().length);
            assertTrue(shared.failure().isEmpty());
        }
    }
}
