package org.ingrain.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Blocks;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests that the DJL engine refuses wrong options and inputs with one line. */
class RefusalsTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");

    @TempDir
    private Path temp;

    private static Criteria.Builder<GenerationInput, GenerationOutput> criteria(Path folder) {
        return Criteria.builder().setTypes(GenerationInput.class, GenerationOutput.class).optEngine("Ingrain")
                .optModelPath(folder).optTranslatorFactory(new GenerationTranslatorFactory()).optOption("threads", "1");
    }

    private static String malformed(Criteria.Builder<?, ?> criteria) {
        return assertThrows(MalformedModelException.class, () -> criteria.build().loadModel()).getMessage();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            maxToken         | 5      | maxToken: no such option, expected one of cacheDtype, cacheTokens, contextLength
            adapter.         | x      | adapter.: no such option
            maxTokens        | five   | maxTokens: 'five', expected an integer
            seed             | 1.5    | seed: '1.5', expected an integer
            temperature      | warm   | temperature: 'warm', expected a number
            temperature      | -1     | temperature: -1.0, expected 0
            deterministic    | yes    | deterministic: 'yes', expected true or false
            device           | gpu    | device: 'gpu', expected cpu, cuda
            dtype            | int2   | dtype: 'int2', expected one of auto, f32, bf16, fp8, int8, int4
            contextLength    | 4096   | contextLength: 4096, expected at most
            maxSequences     | 0      | maxSequences: 0, expected 1 or more
            cacheTokens      | 5      | cacheTokens: 5, expected at least contextLength
            enableThinking   | true   | enableThinking: true, but the chat template
            tensorParallelSize | 3    | tensorParallelSize: 3,
            adapter.x        | /none  | /none
            """)
    void options(String name, String value, String message) {
        String found = malformed(criteria(LAB).optOption(name, value));
        assertTrue(found.startsWith(message), found);
    }

    @Test
    void devicesFoldersAndArguments() throws Exception {
        assertEquals("device: 'cpu', but the model was created for gpu(0), expected the same device",
                malformed(criteria(LAB).optDevice(Device.gpu()).optOption("device", "cpu")));
        assertEquals("device: npu(0), expected cpu() or gpu(N)",
                malformed(criteria(LAB).optDevice(Device.of("npu", 0))));
        assertEquals("maxTokens: given as an argument, expected optOption(\"maxTokens\", ...)",
                malformed(criteria(LAB).optArgument("maxTokens", 5)));
        assertEquals(temp + ": has no config.json, so it is not a model folder", malformed(criteria(temp)));
        assertThrows(ModelNotFoundException.class, () -> criteria(temp.resolve("missing")).build().loadModel());
        assertThrows(ModelNotFoundException.class, () -> criteria(LAB).setTypes(String.class, Integer.class).build()
                .loadModel());
        try (Model model = Model.newInstance("lab", "Ingrain")) {
            assertEquals("prefix: 'lab', expected none for a Hugging Face folder",
                    assertThrows(MalformedModelException.class, () -> model.load(LAB, "lab")).getMessage());
            assertThrows(UnsupportedOperationException.class, () -> model.setBlock(Blocks.identityBlock()));
            assertThrows(TranslateException.class, () -> new GenerationTranslatorFactory().newInstance(String.class,
                    Integer.class, model, Map.of()));
        }
        try (Model model = Model.newInstance("other", "RPC")) {
            assertEquals("engine: the model belongs to another engine, expected optEngine(\"Ingrain\")",
                    assertThrows(TranslateException.class, () -> new GenerationTranslatorFactory().newInstance(
                            String.class, String.class, model, Map.of())).getMessage());
        }
    }

    @Test
    void inputs() throws Exception {
        assertThrows(InputException.class, () -> GenerationInput.text(null));
        assertThrows(InputException.class, () -> GenerationInput.chat(List.of()));
        assertThrows(InputException.class, () -> GenerationInput.text("a").withN(0));
        assertThrows(InputException.class, () -> new GenerationInput("a", List.of(Message.user("b")), null, 1, null));
        try (ZooModel<GenerationInput, GenerationOutput> model = criteria(LAB).build().loadModel();
             Predictor<GenerationInput, GenerationOutput> predictor = model.newPredictor()) {
            assertEquals("input: null, expected a prompt", message(predictor, null));
            assertEquals("adapter: 'x', expected one of []", message(predictor, GenerationInput.text("a")
                    .withAdapter("x")));
            String tooLong = message(predictor, GenerationInput.text("Spell ".repeat(512)));
            assertTrue(tooLong.matches("prompt: \\d+ tokens, expected fewer than the context length 512"), tooLong);
            assertEquals(tooLong, assertThrows(TranslateException.class, () -> predictor.streamingPredict(
                    GenerationInput.text("Spell ".repeat(512)))).getMessage());
            assertThrows(InputException.class, () -> model.newPredictor(Device.gpu()));
            assertThrows(IllegalStateException.class, () -> model.getWrappedModel().load(LAB));
            assertThrows(UnsupportedOperationException.class, () -> model.getBlock().forward(null, new NDList(), true));
            assertEquals(DataType.FLOAT32, model.getDataType());
            assertEquals(0, model.describeInput().size() + model.describeOutput().size());
        }
    }

    private static String message(Predictor<GenerationInput, GenerationOutput> predictor, GenerationInput input) {
        return assertThrows(TranslateException.class, () -> predictor.predict(input)).getMessage();
    }
}
