package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.checkpoint.Merge;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.ModelFolderWriter;
import org.ingrain.checkpoint.QuantizedFolders;
import org.ingrain.checkpoint.QuantizedFolders.Kind;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.model.Blueprint;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares models in GPTQ and AWQ folders with the same models in F32. */
class QuantizedFolderTest {
    private static final int[] PROMPT = {5, 41, 7, 0, 33, 12, 12, 47, 20, 3, 9};

    @TempDir
    private Path temp;

    static Stream<Kind> kinds() {
        return Kind.ALL.stream();
    }

    static Stream<Arguments> kindsAndBackends() {
        List<String> backends = List.of(System.getProperty("ingrain.targets", "cpu,simt,cuda").split(","));
        return backends.stream().flatMap(backend -> Kind.ALL.stream().map(kind -> Arguments.of(kind, backend)));
    }

    private static ModelOptions options(Path folder, String dtype) {
        return ModelOptions.of(folder).withThreads(2).withDtype(dtype);
    }

    /** Log-probabilities of the prompt's tokens. */
    private static float[] scored(ModelOptions options) {
        try (Engine engine = Engine.open(options);
                Generator generator = engine.generator(GeneratorConfig.of(40, 2, 64), Silent::new)) {
            Request request = new Request(PROMPT, 1, 0, SamplingParams.greedy(1), -1, true);
            float[] all = generator.generate(List.of(request)).getFirst().getFirst().promptLogProbabilities();
            return Arrays.copyOfRange(all, 1, all.length);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void dequantizedWeightsAreThoseOfTheTwin(Kind kind) throws IOException {
        QuantizedFolders.write(kind, temp.resolve("integers"), temp.resolve("floats"), 64, 160);
        assertArrayEquals(scored(options(temp.resolve("floats"), "f32")),
                scored(options(temp.resolve("integers"), "f32")));
        assertArrayEquals(scored(options(temp.resolve("floats"), "bf16")),
                scored(options(temp.resolve("integers"), "bf16")));
    }

    /**
     * The ops read the stored integers and scales. The CPU rounds x to 8 bits, with an error of at most 1/254 of the
     * largest element of its group; a GPU rounds W and x to bf16, with a smaller error. The errors of the 5 products
     * have random signs, so the sum of the errors is about √5 / 254 of a logit. The test allows 4 times this value.
     */
    @ParameterizedTest
    @MethodSource("kindsAndBackends")
    void integersGiveTheTwinsLogProbabilities(Kind kind, String backend) throws IOException {
        QuantizedFolders.write(kind, temp.resolve("integers"), temp.resolve("floats"), 64, 160);
        float[] expected = scored(options(temp.resolve("floats"), "f32"));
        float[] found;
        try {
            found = scored(options(temp.resolve("integers"), "auto").withDevice(backend));
        } catch (InputException absent) {
            Assumptions.assumeFalse(backend.equals("cuda"), absent.getMessage());
            throw absent;
        }
        assertArrayEquals(expected, found, (float) (4 * Math.sqrt(5) / 254 * largest(expected)));
        assertFalse(Arrays.equals(expected, found), "the weights were dequantized");
    }

    private static float largest(float[] values) {
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    /** A rank holds a part of the rows, or whole groups of columns, of the stored integers. */
    @ParameterizedTest
    @CsvSource({"gptq, 4", "gptq, 8", "awq, 4"})
    void ranksHoldSharesOfTheIntegers(String method, int bits) throws IOException {
        Kind kind = new Kind(method, bits, 32, bits == 8, false);
        QuantizedFolders.write(kind, temp.resolve("integers"), null, 256, 512);
        ModelOptions one = options(temp.resolve("integers"), "auto");
        float[] expected = scored(one);
        for (int ranks : new int[] {2, 8}) {
            assertArrayEquals(expected, scored(one.withParallel(new ParallelConfig(ranks, 1))));
        }
    }

    /** An eighth of 160 columns is not a multiple of the group size, 64. */
    @Test
    void ranksThatWouldDivideAGroupAreRefused() throws IOException {
        QuantizedFolders.write(new Kind("gptq", 4, 64, true, false), temp, null, 64, 160);
        ModelOptions two = options(temp, "auto").withParallel(new ParallelConfig(2, 1));
        assertRefused(two, "tensorParallelSize: 2, expected one of [1] for 8 heads, 4 key-value heads and an "
                + "intermediate_size of 160; columns are divided into 8 chunks, which must consist of whole groups of "
                + "64 columns");
        assertEquals(PROMPT.length - 1, scored(two.withDtype("bf16")).length);
    }

    private void assertRefused(ModelOptions options, String expected) {
        String message = assertThrows(InputException.class, () -> scored(options)).getMessage();
        assertTrue(message.contains(expected), message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "awq  | int8 | dtype: int8 for weights that are stored as int4, expected auto, int4, bf16 or f32",
        "gptq | fp8  | fp8 on the CPU"})
    void anotherWidthIsRefused(String method, String dtype, String expected) throws IOException {
        QuantizedFolders.write(new Kind(method, 4, 32, false, false), temp, null, 64, 160);
        assertRefused(options(temp, dtype), expected);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "'bits': 4             | 'bits': 3               | bits is 3, expected 4 or 8",
        "'group_size': 32      | 'group_size': -1        | group_size is -1, expected 32, 64 or 128",
        "'desc_act': false     | 'desc_act': true        | desc_act is true, expected false: columns in order",
        "'sym': false          | 'lm_head': true         | lm_head is true, expected false",
        "'sym': false          | 'sym': true             | qzeros has zero point",
        "'sym': false          | 'dynamic': {'+:q': {}}  | dynamic is given, expected the same settings",
        "'sym': false          | 'checkpoint_format': 'marlin' | checkpoint_format is marlin, expected gptq or gptq_v2",
        "'quant_method': 'gptq' | 'quant_method': 'fp8'  | quant_method is fp8, expected gptq or awq",
        "'quant_method': 'gptq' | 'load_in_4bit': true   | quant_method is missing",
        "'quantization_config' | 'compression_config'    | compression_config is given, expected float weights",
        "'quantization_config' | 'other'                 | is given, expected 'model.layers.0.self_attn.q_proj.weight'",
        "_size': 160,          | _size': 192,            | 'model.layers.0.mlp.gate_proj.qweight' is I32 [8, 160], "
                + "expected I32 [8, 192] for gptq with group_size 32"})
    void whatIsNotReadIsRefusedByName(String old, String changed, String expected) throws IOException {
        QuantizedFolders.write(new Kind("gptq", 4, 32, false, false), temp, null, 64, 160);
        change(old.replace('\'', '"'), changed.replace('\'', '"'));
        assertRefused(options(temp, "auto"), expected);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "'version': 'gemm'     | 'version': 'gemv'       | version is gemv, expected gemm",
        "'zero_point': true    | 'zero_point': false     | zero_point is false, expected true",
        "'bits': 4             | 'bits': 8               | bits is 8, expected 4"})
    void whatIsNotReadOfAwqIsRefusedByName(String old, String changed, String expected) throws IOException {
        QuantizedFolders.write(new Kind("awq", 4, 32, false, false), temp, null, 64, 160);
        change(old.replace('\'', '"'), changed.replace('\'', '"'));
        assertRefused(options(temp, "auto"), expected);
    }

    private void change(String old, String changed) throws IOException {
        String config = Files.readString(temp.resolve("config.json"));
        assertTrue(config.contains(old), config);
        Files.writeString(temp.resolve("config.json"), config.replace(old, changed));
    }

    /** Older tools write the settings to another file. */
    @Test
    void settingsMayBeInQuantizeConfig() throws IOException {
        Kind kind = new Kind("gptq", 4, 32, true, false);
        QuantizedFolders.write(kind, temp, null, 64, 160);
        float[] expected = scored(options(temp, "auto"));
        change("\"quantization_config\"", "\"other\"");
        Files.writeString(temp.resolve("quantize_config.json"),
                "{\"bits\": 4, \"group_size\": 32, \"desc_act\": false, \"sym\": true}");
        assertArrayEquals(expected, scored(options(temp, "auto")));
    }

    @Test
    void onlyAnAdapterCanBeTrained() throws IOException {
        QuantizedFolders.write(new Kind("awq", 4, 32, false, false), temp, null, 64, 160);
        for (String dtype : List.of("auto", "bf16")) {
            try (Engine engine = Engine.open(options(temp, dtype))) {
                String message = assertThrows(InputException.class, engine::requireFullTraining).getMessage();
                assertTrue(message.endsWith("the weights are quantized (awq), expected a folder with float weights to "
                        + "train all weights"), message);
            }
        }
    }

    @Test
    void anAdapterIsMergedIntoTheFolderThatWasQuantized() throws IOException {
        QuantizedFolders.write(new Kind("gptq", 4, 32, false, false), temp, null, 64, 160);
        try (ModelFolder base = ModelFolder.open(temp)) {
            String message = assertThrows(InputException.class, () -> new Merge(base, null)).getMessage();
            assertTrue(message.endsWith("the weights are quantized (gptq), expected a folder with float weights to "
                    + "merge the adapter, such as the folder that this folder was quantized from"), message);
        }
    }

    /** A new model of the same shape has float weights, so its config.json has no quantization_config. */
    @Test
    void aNewModelOfTheShapeIsNotQuantized() throws IOException {
        QuantizedFolders.write(new Kind("gptq", 4, 32, false, false), temp, null, 64, 160);
        Path made = Files.createDirectory(temp.resolve("made"));
        Blueprint config = ModelFolder.readConfig(temp);
        ModelFolderWriter.write(made, temp, config, List.of(TensorOutput.of("model.norm.weight", new float[64], 64)),
                1 << 20);
        assertEquals(config, ModelFolder.readConfig(made));
        assertFalse(Files.readString(made.resolve("config.json")).contains("quantization_config"));
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
