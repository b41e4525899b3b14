package org.ingrain.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;
import ai.djl.inference.Predictor;
import ai.djl.inference.streaming.IteratorBytesSupplier;
import ai.djl.inference.streaming.PublisherBytesSupplier;
import ai.djl.inference.streaming.StreamingTranslator.StreamOutput;
import ai.djl.ndarray.BytesSupplier;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.checkpoint.AdapterConfig;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests the DJL engine with the lab model. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class IngrainEngineTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final String QUESTION = "Spell the word \"Ann\".";
    private static final SamplingParams SAMPLED = SamplingParams.sampled(2, 1, 24, 5);
    private static final SamplingParams ENDLESS = SamplingParams.greedy(100).withIgnoreEos(true);

    private org.ingrain.engine.Engine engine;
    private ZooModel<GenerationInput, GenerationOutput> model;

    @BeforeAll
    void load(@TempDir Path temp) throws Exception {
        engine = org.ingrain.engine.Engine.open(ModelOptions.of(LAB).withThreads(1));
        model = criteria(GenerationInput.class, GenerationOutput.class)
                .optOption("adapter.small", adapter(temp.resolve("small"), 0.3f).toString())
                .optOption("adapter.broken", adapter(temp.resolve("broken"), Float.NaN).toString()).build().loadModel();
    }

    @AfterAll
    void close() {
        model.close();
        engine.close();
    }

    private static <I, O> Criteria.Builder<I, O> criteria(Class<I> input, Class<O> output) {
        return Criteria.builder().setTypes(input, output).optEngine("Ingrain").optModelPath(LAB)
                .optTranslatorFactory(new GenerationTranslatorFactory()).optOption("threads", "1")
                .optOption("contextLength", "128").optOption("maxSequences", "6").optOption("maxBatchTokens", "64")
                .optOption("maxTokens", "12");
    }

    /** Writes an adapter for the down_proj of every layer; all elements of A and B are {@code value}. */
    private Path adapter(Path folder, float value) {
        float[] a = new float[Math.toIntExact(engine.blueprint().intermediateSize())];
        float[] b = new float[Math.toIntExact(engine.blueprint().hiddenSize())];
        Arrays.fill(a, value);
        Arrays.fill(b, value);
        new PeftAdapter(AdapterConfig.of(LAB.toString(), 1, 1, 0, List.of("down_proj")),
                IntStream.range(0, engine.blueprint().numHiddenLayers())
                        .mapToObj(layer -> new LoraModule(layer, Projection.DOWN_PROJ, 1, 1, a, b)).toList(),
                Map.of()).write(folder);
        return folder;
    }

    /** Generates the samples with the engine directly, without DJL. */
    private List<Completion> expected(int[] prompt, int n, SamplingParams params, boolean continuesText) {
        try (Generator generator = engine.generator(GeneratorConfig.of(128, 6, 64))) {
            return generator.generate(List.of(Request.of(prompt, n, params).withContinuesText(continuesText)))
                    .getFirst();
        }
    }

    private static void requireEqual(List<Completion> expected, List<Completion> actual) {
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i).sample(), actual.get(i).sample());
            assertEquals(expected.get(i).text(), actual.get(i).text());
            assertEquals(expected.get(i).reason(), actual.get(i).reason());
            assertArrayEquals(expected.get(i).ids(), actual.get(i).ids());
            assertArrayEquals(expected.get(i).logProbabilities(), actual.get(i).logProbabilities());
        }
    }

    private static SharedGenerator generator(ZooModel<?, ?> model) {
        return ((GenerationBlock) model.getBlock()).generator();
    }

    private static void awaitIdle(ZooModel<?, ?> model) throws InterruptedException {
        while (generator(model).unfinishedSamples() > 0) {
            Thread.sleep(1);
        }
    }

    @Test
    void djlFindsTheEngineByItsNameOnly() {
        Engine found = Engine.getEngine("Ingrain");
        assertInstanceOf(IngrainEngine.class, found);
        assertNotEquals("Ingrain", Engine.getDefaultEngineName());
        assertEquals(Device.cpu(), found.defaultDevice());
        assertEquals(found.getGpuCount() > 0, found.hasCapability(StandardCapabilities.CUDA));
        assertEquals(Device.cpu(), model.getNDManager().getDevice());
        assertThrows(UnsupportedOperationException.class, () -> found.setRandomSeed(1));
        assertEquals("cuda:1", IngrainEngine.name(Device.gpu(1)));
        assertEquals("cuda:0,1", IngrainEngine.name(Device.fromName("gpu0+gpu1", found)));
    }

    @Test
    void aTextIsContinuedAndAChatIsAnswered() throws Exception {
        String text = "Spell the word";
        SamplingParams greedy = SamplingParams.greedy(12);
        String continued = expected(engine.tokenizer().encodeBegin(text), 1, greedy, true).getFirst().text();
        try (ZooModel<String, String> texts = criteria(String.class, String.class)
                .optOption("dataParallelSize", "2").build().loadModel();
             Predictor<String, String> predictor = texts.newPredictor()) {
            assertEquals(continued, predictor.predict(text));
            assertFalse(predictor.supportsStreaming());
        }
        List<Message> chat = List.of(Message.user(QUESTION), Message.assistant("A-n-n"), Message.user(QUESTION));
        try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            assertEquals(continued, predictor.predict(GenerationInput.text(text)).text());
            requireEqual(expected(engine.encode(chat), 1, greedy, false),
                    predictor.predict(GenerationInput.chat(chat)).completions());
            assertEquals("A-n-n", predictor.predict(GenerationInput.chat(QUESTION)).text());
        }
    }

    @Test
    void samplesAreThoseOfTheEngineAndStreamedPiecesAddUpToThem() throws Exception {
        GenerationInput input = GenerationInput.chat(QUESTION).withParams(SAMPLED).withN(3);
        List<Completion> expected = expected(engine.encode(input.messages()), 3, SAMPLED, false);
        assertTrue(expected.stream().map(Completion::text).distinct().count() > 1);
        try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            requireEqual(expected, predictor.predict(input).completions());
            Map<Integer, String> texts = new TreeMap<>();
            int pieces = 0;
            try (GenerationOutput output = predictor.streamingPredict(input).getIterativeOutput()) {
                for (Piece piece : output) {
                    texts.merge(piece.sample(), piece.text(), String::concat);
                    pieces++;
                }
                requireEqual(expected, output.completions());
            }
            assertEquals(expected.stream().map(Completion::text).toList(), List.copyOf(texts.values()));
            assertTrue(pieces > 6, pieces + " pieces");
            StreamOutput<GenerationOutput> streamed = predictor.streamingPredict(input);
            assertEquals(expected.getFirst().text(), streamed.getIterativeOutput().text());
            assertThrows(UnsupportedOperationException.class, predictor.streamingPredict(input)::getAsyncOutput);
        }
    }

    @Test
    void textsAreStreamedInDjlsTypes() throws Exception {
        String text = "Spell the word \"Ann\".";
        try (ZooModel<String, BytesSupplier> texts = criteria(String.class, BytesSupplier.class).build().loadModel();
             Predictor<String, BytesSupplier> predictor = texts.newPredictor()) {
            String whole = predictor.predict(text).getAsString();
            assertFalse(whole.isEmpty());
            IteratorBytesSupplier iterated = assertInstanceOf(IteratorBytesSupplier.class,
                    predictor.streamingPredict(text).getIterativeOutput());
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            int chunks = 0;
            for (; iterated.hasNext(); chunks++) {
                bytes.writeBytes(iterated.next());
            }
            assertEquals(whole, bytes.toString(StandardCharsets.UTF_8));
            assertTrue(chunks > 1, chunks + " chunks");

            StreamOutput<BytesSupplier> streamed = predictor.streamingPredict(text);
            PublisherBytesSupplier published = assertInstanceOf(PublisherBytesSupplier.class,
                    streamed.getAsyncOutput());
            List<byte[]> received = new ArrayList<>();
            CompletableFuture<Void> end = published.subscribe(received::add);
            streamed.computeAsyncOutput();
            assertTrue(end.isDone());
            assertEquals(whole, String.join("", received.stream().limit(received.size() - 1)
                    .map(chunk -> new String(chunk, StandardCharsets.UTF_8)).toList()));
        }
    }

    @Test
    void aBatchHasTheResultsOfItsInputsAndSharesTheSteps() throws Exception {
        List<GenerationInput> inputs = Stream.of("Ann", "Bob", "Carla", "Dora", "Emil", "Fred")
                .map(name -> GenerationInput.chat("Spell the word \"" + name + "\".").withParams(ENDLESS)).toList();
        try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            long begin = generator(model).stats().steps();
            List<GenerationOutput> batch = predictor.batchPredict(inputs);
            long together = generator(model).stats().steps() - begin;
            for (int i = 0; i < inputs.size(); i++) {
                requireEqual(predictor.predict(inputs.get(i)).completions(), batch.get(i).completions());
            }
            assertTrue(together < 300, together + " steps for 6 inputs of 100 tokens");
            assertEquals(List.of(), predictor.batchPredict(List.of()));
        }
    }

    @Test
    void predictorsOfManyThreadsShareTheModel() throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<List<Completion>>> answers = IntStream.range(0, 12).mapToObj(i -> threads.submit(() -> {
                try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
                    return predictor.predict(GenerationInput.chat(QUESTION).withN(1 + i % 3)
                            .withParams(SAMPLED.withSeed(i))).completions();
                }
            })).toList();
            for (int i = 0; i < answers.size(); i++) {
                requireEqual(expected(engine.encode(List.of(Message.user(QUESTION))), 1 + i % 3, SAMPLED.withSeed(i),
                        false), answers.get(i).get());
            }
        }
    }

    @Test
    void adaptersAndTheBaseModelShareABatch() throws Exception {
        GenerationInput base = GenerationInput.chat(QUESTION).withParams(ENDLESS);
        GenerationInput adapted = base.withAdapter("small");
        try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            List<GenerationOutput> both = predictor.batchPredict(List.of(base, adapted));
            requireEqual(predictor.predict(base).completions(), both.getFirst().completions());
            requireEqual(predictor.predict(adapted).completions(), both.getLast().completions());
            assertNotEquals(both.getFirst().text(), both.getLast().text());
        }
    }

    /** Adds a saved module to an adapter's folder: a new weight for the model's last norm. */
    private static void addNorm(Path folder) throws IOException {
        Path config = folder.resolve("adapter_config.json");
        Files.writeString(config, Files.readString(config).replaceFirst("\"modules_to_save\" ?: ?null",
                "\"modules_to_save\": [\"norm\"]"));
        Path file = folder.resolve("adapter_model.safetensors");
        ByteBuffer old = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        byte[] header = new byte[Math.toIntExact(old.getLong())];
        old.get(header);
        int size = old.remaining();
        String tensors = new String(header, StandardCharsets.UTF_8).strip();
        byte[] longer = (tensors.substring(0, tensors.length() - 1) + ",\"base_model.model.model.norm.weight\":"
                + "{\"dtype\":\"F32\",\"shape\":[128],\"data_offsets\":[" + size + "," + (size + 512) + "]}}")
                .getBytes(StandardCharsets.UTF_8);
        Files.write(file, ByteBuffer.allocate(8 + longer.length + size + 512).order(ByteOrder.LITTLE_ENDIAN)
                .putLong(longer.length).put(longer).put(old).array());
    }

    @Test
    void anAdapterThatReplacesParametersIsTheOnlyOne(@TempDir Path temp) throws Exception {
        Path saved = adapter(temp.resolve("saved"), 0.3f);
        addNorm(saved);
        var alone = criteria(GenerationInput.class, GenerationOutput.class).optOption("adapter.b", saved.toString());
        try (ZooModel<GenerationInput, GenerationOutput> replaced = alone.build().loadModel();
             Predictor<GenerationInput, GenerationOutput> predictor = replaced.newPredictor()) {
            GenerationInput input = GenerationInput.chat(QUESTION);
            assertNotEquals("A-n-n", predictor.predict(input.withAdapter("b")).text());
            String refused = assertThrows(TranslateException.class, () -> predictor.predict(input)).getMessage();
            assertTrue(refused.startsWith("a request without the adapter: "), refused);
        }
        var both = alone.optOption("adapter.a", adapter(temp.resolve("small"), 0.3f).toString()).build();
        assertEquals("adapter.b: " + saved + " has modules_to_save, which replace parameters of the model, expected it "
                + "to be the only adapter", assertThrows(MalformedModelException.class, both::loadModel).getMessage());
    }

    @Test
    void closingAStreamCancelsItsSamples() throws Exception {
        try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            long begin = generator(model).stats().tokens();
            GenerationOutput output = predictor.streamingPredict(GenerationInput.chat(QUESTION).withParams(ENDLESS)
                    .withN(256)).getIterativeOutput();
            assertFalse(output.iterator().next().text().isEmpty());
            output.close();
            awaitIdle(model);
            long tokens = generator(model).stats().tokens() - begin;
            assertTrue(tokens < 12_000, tokens + " tokens, without a cancellation about 25,000");
            assertTrue(output.completions().size() < 256);
        }
    }

    @Test
    void failuresReachTheCallerInOneLine() throws Exception {
        GenerationInput sound = GenerationInput.chat(QUESTION).withParams(ENDLESS).withN(256);
        GenerationInput broken = GenerationInput.chat(QUESTION).withAdapter("broken");
        try (Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            String failure = assertThrows(TranslateException.class, () -> predictor.predict(broken)).getMessage();
            assertTrue(failure.startsWith(LAB.toString()) && failure.contains("the logits are not finite"), failure);
            GenerationOutput output = predictor.streamingPredict(broken).getIterativeOutput();
            assertThrows(InputException.class, output::completions);
            long begin = generator(model).stats().tokens();
            assertThrows(TranslateException.class, () -> predictor.batchPredict(List.of(broken, sound)));
            awaitIdle(model);   // the samples of the other inputs in the batch are cancelled
            long tokens = generator(model).stats().tokens() - begin;
            assertTrue(tokens < 12_000, tokens + " tokens, without a cancellation about 25,000");
            Thread.currentThread().interrupt();
            assertEquals("the thread was interrupted while it waited for the model",
                    assertThrows(TranslateException.class, () -> predictor.predict(sound)).getMessage());
            assertTrue(Thread.interrupted());
            awaitIdle(model);
        }
    }

    @Test
    void closingTheModelEndsItsRequests() throws Exception {
        GenerationInput endless = GenerationInput.chat(QUESTION).withParams(ENDLESS).withN(256);
        ZooModel<GenerationInput, GenerationOutput> closing = criteria(GenerationInput.class, GenerationOutput.class)
                .build().loadModel();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor();
             Predictor<GenerationInput, GenerationOutput> predictor = closing.newPredictor()) {
            Future<GenerationOutput> answer = threads.submit(() -> predictor.predict(endless));
            while (generator(closing).stats().tokens() == 0) {
                Thread.sleep(1);
            }
            closing.close();
            Throwable cause = assertThrows(ExecutionException.class, answer::get).getCause();
            assertInstanceOf(TranslateException.class, cause);
            assertTrue(cause.getMessage().contains("closed"), cause.getMessage());
            assertEquals("the model is closed",
                    assertThrows(TranslateException.class, () -> predictor.predict(endless)).getMessage());
            closing.close();   // closing again has no effect
        }
    }
}
