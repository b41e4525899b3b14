package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.checkpoint.AdapterConfig;
import org.ingrain.checkpoint.Merge;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.checkpoint.Safetensors;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingPlace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/**
 * Adapters of the embedding and the output head, saved modules and biases, compared with PEFT
 * (benchmarks/peers/modules_golden.py).
 */
class AdapterModulesTest {
    private static final List<String> BACKENDS =
            Stream.of(System.getProperty("ingrain.targets", "cpu,simt").split(",")).toList();
    /**
     * Indices of the sequences whose log-probabilities are compared. The sequences of both batches are numbered
     * together, so these three are in the second batch.
     */
    private static final int[] SEQUENCES = {3, 5, 6};
    private static final JsonFields CASES = JsonFields.read(resource());

    @TempDir
    Path temp;

    private static Path resource() {
        try {
            return Path.of(AdapterModulesTest.class.getResource("modules.json").toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    static Stream<Arguments> all() {
        return CASES.names().stream().flatMap(name -> BACKENDS.stream().map(backend -> Arguments.of(name, backend)));
    }

    static Stream<Arguments> trained() {
        return all().filter(arguments -> CASES.object((String) arguments.get()[0]).has("losses"));
    }

    /** The adapter of a case, as PEFT stores it. */
    private PeftAdapter adapter(JsonFields expected, Golden golden) {
        Path folder = temp.resolve("adapter");
        JsonFields shapes = expected.object("tensors");
        List<TensorOutput> tensors = new ArrayList<>();
        for (String name : shapes.names()) {
            tensors.add(TensorOutput.of(name, values(tensors.size(), name, shapes.longs(name)), shapes.longs(name)));
        }
        SafetensorsWriter.write(folder.resolve("adapter_model.safetensors"), tensors);
        DurableFile.write(folder.resolve("adapter_config.json"), Json.config(expected.node("config")));
        return PeftAdapter.read(folder, golden.config);
    }

    private static float[] values(int k, String name, long[] shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        for (int j = 0; j < values.length; j++) {
            values[j] = ((j * 31 + k * 17) % 23 - 11) / 64f + (name.contains("norm") ? 1 : 0);
        }
        return values;
    }

    private static Generator generator(Golden golden, Weights weights, Adapter adapter) {
        AdapterBank bank = new AdapterBank(golden.context, weights, AdapterBank.Limits.of(adapter), 64);
        GeneratorConfig sizes = GeneratorConfig.of(40, 4, 64).withCacheTokens(640).withBlockSize(16);
        Generator generator = new Generator(weights, bank, sizes, Silent::new, List.of());
        generator.loadAdapter(0, adapter);
        return generator;
    }

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

    private static void assertScores(JsonFields expected, Golden golden, Generator generator, int slot) {
        List<Request> requests = Arrays.stream(SEQUENCES).mapToObj(i -> new Request(golden.sequences().get(i).ids(), 1,
                0, SamplingParams.greedy(1), slot, true)).toList();
        for (int i = 0; i < SEQUENCES.length; i++) {
            float[] found = generator.generate(List.of(requests.get(i))).getFirst().getFirst()
                    .promptLogProbabilities();
            JsonNode row = expected.node("log_probabilities").get(i);
            assertEquals(row.size(), found.length - 1);
            for (int j = 0; j < row.size(); j++) {
                assertEquals(row.get(j).floatValue(), found[j + 1], 1e-5f, "token " + j + " of " + i);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("all")
    void samplingSeesPeftsLogProbabilities(String name, String backend) {
        JsonFields expected = CASES.object(name);
        try (Golden golden = Golden.architecture(expected.text("base"), backend)) {
            PeftAdapter adapter = adapter(expected, golden);
            try (Generator generator = generator(golden, golden.weights(),
                    adapter.changes(golden.model))) {
                assertScores(expected, golden, generator, 0);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("all")
    void aMergedModelEqualsTheAdaptedOne(String name, String backend) {
        JsonFields expected = CASES.object(name);
        try (Golden golden = Golden.architecture(expected.text("base"), backend)) {
            PeftAdapter adapter = adapter(expected, golden);
            if (name.equals("biased")) {
                assertTrue(assertThrows(InputException.class, () -> new Merge(golden.model, adapter)).getMessage()
                        .endsWith("bias' that the adapter's lora_bias can be added to, so the adapter cannot be "
                                + "merged"));
                return;
            }
            new Merge(golden.model, adapter).write(temp.resolve("merged"), (done, of) -> { });
            try (ModelFolder merged = ModelFolder.open(temp.resolve("merged"))) {
                Weights weights = Weights.load(golden.context, merged.config(),
                        new Precision(DType.F32, DType.F32, DType.F32), Rank.SINGLE, merged, (done, of) -> { });
                GeneratorConfig sizes = GeneratorConfig.of(40, 4, 64).withCacheTokens(640).withBlockSize(16);
                try (Generator generator = new Generator(weights, null, sizes, Silent::new, List.of())) {
                    assertScores(expected, golden, generator, -1);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("trained")
    void tenLossesEqualPefts(String name, String backend) {
        JsonFields expected = CASES.object(name);
        try (Golden golden = Golden.architecture(expected.text("base"), backend)) {
            PeftAdapter before = adapter(expected, golden);
            Set<Projection> targets = before.modules().stream().map(LoraModule::projection)
                    .collect(Collectors.toSet());
            LoraConfig lora = new LoraConfig(2, 4, 0, targets, false, before.config().loraBias());
            LoraParameters parameters = new LoraParameters(golden.context, TrainingPlace.alone(golden.config), lora, 1,
                    golden.memory(1));
            parameters.load(before.modules());
            try (DecoderTraining training = new DecoderTraining(golden.context, golden.weights(), parameters,
                    golden.memory(1))) {
                List<MicroBatch> batches = golden.batches();
                for (int step = 1; step <= 10; step++) {
                    double[] found = Golden.step(training, parameters, List.of(batches.get((step - 1) % 2)),
                            golden.optimizer(), new int[] {step, 10});
                    double loss = expected.node("losses").get(step - 1).doubleValue();
                    double norm = expected.node("grad_norms").get(step - 1).doubleValue();
                    assertEquals(loss, found[0], 1e-6 * loss, "loss of step " + step);
                    assertEquals(norm, found[1], 1e-5 * norm, "gradient norm of step " + step);
                }
            }
            assertWrittenAsPeft(parameters.modules(), before);
        }
    }

    /** Asserts that the written file has PEFT's names and shapes, and that reading the file gives the same values. */
    private void assertWrittenAsPeft(List<LoraModule> modules, PeftAdapter before) {
        Path written = temp.resolve("written");
        AdapterConfig config = before.config();
        new PeftAdapter(config, modules, Map.of()).write(written);
        String file = "adapter_model.safetensors";
        try (Safetensors ours = Safetensors.open(written.resolve(file));
                Safetensors theirs = Safetensors.open(temp.resolve("adapter").resolve(file))) {
            assertEquals(theirs.names(), ours.names());
            theirs.names().forEach(name -> assertArrayEquals(theirs.info(name).shape(), ours.info(name).shape(), name));
        }
    }

    @Test
    void aRequestWithoutAnAdapterThatReplacesModulesIsRefused() {
        JsonFields expected = CASES.object("saved");
        try (Golden golden = Golden.architecture(expected.text("base"), "cpu")) {
            PeftAdapter adapter = adapter(expected, golden);
            Adapter whole = adapter.changes(golden.model);
            try (Generator generator = generator(golden, golden.weights(), whole)) {
                Request base = Request.of(new int[] {1, 2}, 1, SamplingParams.greedy(1));
                assertTrue(assertThrows(InputException.class, () -> generator.submit(base, done -> { })).getMessage()
                        .contains("modules_to_save"));
                generator.loadAdapter(0, Adapter.of(adapter.modules()));
                generator.generate(List.of(base));
            }
            try (Generator generator = new Generator(golden.weights(), new AdapterBank(golden.context,
                    golden.weights(), 2, 2, 64), GeneratorConfig.of(40, 4, 64), Silent::new, List.of())) {
                assertTrue(assertThrows(InputException.class, () -> generator.loadAdapter(1, whole)).getMessage()
                        .contains("expected none together with other adapters"));
            }
        }
    }

    @Test
    void parametersThatEqualTheBasesReplaceNothing() {
        JsonFields expected = CASES.object("tied_saved_head");
        try (Golden golden = Golden.architecture(expected.text("base"), "cpu")) {
            PeftAdapter read = adapter(expected, golden);
            HostTensor embedding = golden.model.tensor("model.embed_tokens.weight");
            Map<String, HostTensor> saved = Map.of("lm_head.weight", embedding, "model.embed_tokens.weight", embedding);
            assertEquals(Map.of(), new PeftAdapter(read.config(), read.modules(), saved).changes(golden.model).saved());
            assertEquals(Set.of("lm_head.weight"), read.changes(golden.model).saved().keySet());
            Map<String, HostTensor> other = Map.of("lm_head.weight", golden.model.tensor("model.norm.weight"));
            assertEquals("adapter: 'lm_head.weight' of modules_to_save has shape [16], expected [32, 16]",
                    assertThrows(InputException.class, () -> new PeftAdapter(read.config(), read.modules(), other)
                            .changes(golden.model)).getMessage());
        }
    }

    @Test
    void aModuleOfAFusedWeightCannotBeReplaced() {
        try (Golden golden = Golden.architecture("mistral", "cpu")) {
            MemorySegment data = Arena.ofAuto().allocate(16 * 16 * 4, ValueLayout.JAVA_FLOAT.byteAlignment());
            String name = "model.layers.0.self_attn.q_proj.weight";
            Adapter adapter = new Adapter(List.of(), Map.of(name, new HostTensor(DType.F32,
                    new long[] {16, 16}, data)));
            assertTrue(assertThrows(InputException.class, () -> generator(golden, golden.weights(), adapter))
                    .getMessage().contains("modules_to_save has '" + name + "', which the engine cannot replace"));
        }
    }
}
