package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.ingrain.checkpoint.AdapterConfig;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.checkpoint.ConfigWriter;
import org.ingrain.checkpoint.Merge;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.checkpoint.Safetensors;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.JsonFields;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LoraModule;
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
import org.ingrain.tokenizer.SpecialTokens;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.FullParameters;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.Parameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingPlace;
import org.ingrain.train.run.ModelExport;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/**
 * Compares sampling and training with PyTorch, transformers and PEFT (benchmarks/peers/architectures_golden.py): small
 * random models of each architecture and rope scaling, on every backend.
 */
class ArchitecturesTest {
    private static final List<String> MODELS = List.of("mistral", "qwen2", "qwen3", "qwen2_yarn", "llama_dynamic");
    private static final Precision F32 = new Precision(DType.F32, DType.F32, DType.F32);

    @TempDir
    private Path temp;

    static Stream<Arguments> models() {
        List<String> backends = List.of(System.getProperty("ingrain.targets", "cpu,simt,cuda").split(","));
        return backends.stream().flatMap(backend -> MODELS.stream().map(model -> Arguments.of(model, backend)));
    }

    /**
     * Compares log-probabilities. The order of summation may differ in 4 sums per layer and in one sum in the head. For
     * each of these sums, the tolerance allows an error of (4 + 2√F)·2⁻²⁴ times the largest expected value, as in
     * ParityTolerance.
     */
    private static void assertClose(Golden golden, float[] expected, float[] found, String what) {
        double largest = 1;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        int sums = 4 * golden.config.numHiddenLayers() + 1;
        double one = (4 + 2 * Math.sqrt(golden.config.intermediateSize())) * 0x1p-24;
        assertArrayEquals(expected, found, (float) (sums * one * largest), what);
    }

    private static Generator generator(Golden golden, Weights weights, List<LoraModule> adapter) {
        AdapterBank bank = adapter.isEmpty() ? null : new AdapterBank(golden.context, weights, 1, 4, 64);
        GeneratorConfig sizes = GeneratorConfig.of(40, 4, 64).withCacheTokens(640).withBlockSize(16);
        Generator generator = new Generator(weights, bank, sizes, Silent::new, List.of());
        if (bank != null) {
            generator.loadAdapter(0, adapter);
        }
        return generator;
    }

    /** Log-probabilities of all tokens of a sequence except the first. */
    private static float[] scored(Generator generator, int[] ids, int slot) {
        Request request = new Request(ids, 1, 0, SamplingParams.greedy(1), slot, true);
        float[] all = generator.generate(List.of(request)).getFirst().getFirst().promptLogProbabilities();
        return Arrays.copyOfRange(all, 1, all.length);
    }

    private static void assertScores(Golden golden, Generator generator, int slot, String field) {
        List<TrainingSequence> sequences = golden.sequences();
        for (int i = 0; i < sequences.size(); i++) {
            float[] expected = floats(golden.expected.node(field).get(i));
            assertClose(golden, expected, scored(generator, sequences.get(i).ids(), slot), field + " of " + i);
        }
    }

    private static float[] floats(JsonNode numbers) {
        float[] values = new float[numbers.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = numbers.get(i).floatValue();
        }
        return values;
    }

    private static List<LoraModule> adapter(Golden golden) {
        return PeftAdapter.read(golden.folder.resolve("adapter"), golden.config).modules();
    }

    @ParameterizedTest
    @MethodSource("models")
    void samplingSeesTransformersLogProbabilities(String model, String backend) {
        try (Golden golden = Golden.architecture(model, backend);
                Generator generator = generator(golden, golden.weights(), adapter(golden))) {
            assertScores(golden, generator, -1, "log_probabilities");
            assertScores(golden, generator, 0, "adapted_log_probabilities");
        }
    }

    /** Decodes with the paged cache, one token per step, and compares with a prefill of the whole prompt. */
    @ParameterizedTest
    @MethodSource("models")
    void decodingEqualsPrefill(String model, String backend) {
        try (Golden golden = Golden.architecture(model, backend);
                Generator generator = generator(golden, golden.weights(), List.of())) {
            int[] prompt = golden.sequences().getFirst().ids();
            Completion drawn = generator.generate(List.of(Request.of(prompt, 2, SamplingParams.sampled(1, 1, 20, 5))))
                    .getFirst().getLast();
            int[] whole = Arrays.copyOf(prompt, prompt.length + drawn.ids().length);
            System.arraycopy(drawn.ids(), 0, whole, prompt.length, drawn.ids().length);
            float[] scored = scored(generator, whole, -1);
            assertClose(golden, Arrays.copyOfRange(scored, prompt.length - 1, scored.length),
                    drawn.logProbabilities(), "decoded");
        }
    }

    private static void assertRun(JsonFields run, int step, double[] lossAndNorm) {
        double loss = run.node("losses").get(step - 1).doubleValue();
        double norm = run.node("grad_norms").get(step - 1).doubleValue();
        assertEquals(loss, lossAndNorm[0], 1e-5 * loss, "loss of step " + step);
        assertEquals(norm, lossAndNorm[1], 1e-4 * norm, "gradient norm of step " + step);
    }

    private static void train(Golden golden, Weights weights, Parameters parameters, String run, int steps) {
        try (DecoderTraining training = new DecoderTraining(golden.context, weights, parameters, golden.memory())) {
            List<MicroBatch> batches = golden.batches();
            for (int step = 1; step <= steps; step++) {
                assertRun(golden.expected.object(run), step, Golden.step(training, parameters,
                        List.of(batches.get((step - 1) % 2)), golden.optimizer(), new int[] {step, steps}));
            }
        }
    }

    private static LoraParameters lora(Golden golden, TrainingMemory memory, List<LoraModule> adapter) {
        LoraParameters parameters = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                golden.lora(), 1, memory);
        parameters.load(adapter);
        return parameters;
    }

    @ParameterizedTest
    @MethodSource("models")
    void tenLoraStepsLoseWhatPeftLoses(String model, String backend) {
        try (Golden golden = Golden.architecture(model, backend)) {
            LoraParameters parameters = lora(golden, golden.memory(), golden.adapter("before"));
            train(golden, golden.weights(), parameters, "lora_run", 10);
            List<LoraModule> expected = adapter(golden);
            List<LoraModule> found = parameters.modules();
            assertEquals(expected.size(), found.size());
            for (LoraModule module : expected) {
                LoraModule ours = found.stream().filter(m -> m.layer() == module.layer()
                        && m.projection() == module.projection()).findFirst().orElseThrow();
                assertArrayEquals(module.a(), ours.a(), 5e-5f, "lora_A of " + module.projection());
                assertArrayEquals(module.b(), ours.b(), 5e-5f, "lora_B of " + module.projection());
            }
            assertSameTensorsAsPeft(golden, found);
        }
    }

    /** Compares tensor names and shapes with an adapter file that PEFT has written. */
    private void assertSameTensorsAsPeft(Golden golden, List<LoraModule> modules) {
        List<String> targets = LoraConfig.ALL_LINEAR.stream().map(Projection::target).toList();
        new PeftAdapter(AdapterConfig.of("base", 4, 8, 0, targets), modules, Map.of()).write(temp.resolve("adapter"));
        String file = "adapter_model.safetensors";
        try (Safetensors ours = Safetensors.open(temp.resolve("adapter").resolve(file));
                Safetensors theirs = Safetensors.open(golden.folder.resolve("adapter").resolve(file))) {
            assertEquals(theirs.names(), ours.names());
            theirs.names().forEach(name -> assertArrayEquals(theirs.info(name).shape(), ours.info(name).shape(), name));
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void fiveFullStepsLoseWhatPyTorchLoses(String model, String backend) {
        try (Golden golden = Golden.architecture(model, backend)) {
            FullParameters parameters = FullParameters.load(golden.weights(), golden.model);
            train(golden, parameters.weights(), parameters, "full_run", 5);
            JsonFields after = golden.expected.object("vectors_after");
            assertEquals(golden.model.names().stream().filter(name -> golden.model.info(name).shape().length == 1)
                    .count(), after.names().size());
            for (String name : after.names()) {
                assertArrayEquals(floats(after.node(name)),
                        golden.context.readFloats(parameters.named().get(name)), 5e-5f, name);
            }
            ModelExport export = ModelExport.like(golden.model, golden.context, parameters);
            DurableFolder.write(temp.resolve("exported"), export::write);
            try (ModelFolder exported = ModelFolder.open(temp.resolve("exported"))) {
                assertEquals(golden.config, exported.config());
                assertEquals(golden.model.names(), exported.names());
                parameters.named().forEach((name, master) -> assertArrayEquals(golden.context.readFloats(master),
                        Golden.floats(exported.tensor(name).data()), name));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void mergedEqualsAdapted(String model, String backend) {
        try (Golden golden = Golden.architecture(model, backend)) {
            PeftAdapter adapter = PeftAdapter.read(golden.folder.resolve("adapter"), golden.config);
            new Merge(golden.model, adapter).write(temp.resolve("merged"), (done, of) -> { });
            try (ModelFolder merged = ModelFolder.open(temp.resolve("merged"))) {
                assertEquals(golden.config, merged.config());
                Weights weights = Weights.load(golden.context, merged.config(), F32, Rank.SINGLE, merged,
                        (done, of) -> { });
                try (Generator generator = generator(golden, weights, List.of())) {
                    assertScores(golden, generator, -1, "adapted_log_probabilities");
                }
            }
        }
    }

    /**
     * Training gives the same moments whether it keeps the activations of one layer or of two layers. The test covers
     * biases and the QK norm.
     */
    @ParameterizedTest
    @CsvSource({"qwen2, true", "qwen3, true", "qwen3, false"})
    void computingLayersAgainChangesNoBit(String model, boolean full) {
        List<float[]> moments = new ArrayList<>();
        for (int kept = 1; kept <= 2; kept++) {
            try (Golden golden = Golden.architecture(model, "cpu")) {
                TrainingMemory memory = golden.memory(kept);
                Parameters parameters = full ? FullParameters.load(golden.weights(), golden.model)
                        : lora(golden, memory, adapter(golden));
                DecoderTraining training = new DecoderTraining(golden.context, golden.weights(), parameters, memory);
                double[] lossAndNorm = Golden.step(training, parameters, golden.batches(), golden.optimizer(),
                        new int[] {1, 1});
                assertTrue(lossAndNorm[1] > 0);
                moments.add(golden.context.readFloats(parameters.flat().state().get(1)));
            }
        }
        assertArrayEquals(moments.getFirst(), moments.getLast());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "mistral|41|contextLength: 41, expected at most sliding_window 40, since sliding-window attention",
        "llama_dynamic|65|contextLength: 65, expected at most max_position_embeddings 64, beyond which rope_type "
        + "dynamic",
        "qwen3|65|contextLength: 65, expected at most max_position_embeddings 64"})
    void aLongerContextIsRefusedByName(String model, int length, String complaint) {
        try (Golden golden = Golden.architecture(model, "cpu")) {
            Weights weights = golden.weights();
            Consumer<Integer> open = context -> new Generator(weights, null, GeneratorConfig.of(context, 1, 16),
                    Silent::new, List.of()).close();
            open.accept(length - 1);
            String message = assertThrows(InputException.class, () -> open.accept(length)).getMessage();
            assertTrue(message.startsWith(complaint), message);
        }
    }

    /** Writes a config.json that is created from the blueprint, not copied. */
    @ParameterizedTest
    @FieldSource("MODELS")
    void aWrittenConfigIsReadAsTheSameModel(String model) {
        try (Golden golden = Golden.architecture(model, "cpu")) {
            Path file = temp.resolve("config.json");
            ConfigWriter.write(file, golden.config, SpecialTokens.read(golden.folder));
            assertEquals(golden.config, BlueprintReader.read(file));
        }
    }

    /** A decoder that returns no text. */
    private static final class Silent implements StreamingDecoder {
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
