package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeScaling;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

/** Fields missing from config.json have the defaults of transformers 5.18 (benchmarks/peers/config_defaults.py). */
class ConfigDefaultsTest {
    private static final String SIZES = "'hidden_size':128,'intermediate_size':96,'num_hidden_layers':30,"
            + "'num_attention_heads':32,'vocab_size':100";

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvFileSource(resources = "config-defaults.txt", delimiter = '|', quoteCharacter = '"')
    void areThoseOfTransformers(String modelType, String fields, String expected) throws IOException {
        Path file = folder.resolve("config.json");
        Files.writeString(file, ("{'model_type':'" + modelType + "'," + SIZES + (fields == null ? "" : "," + fields)
                + "}").replace('\'', '"'));
        if (expected.equals("refused")) {
            String field = fields.substring(1, fields.indexOf('\'', 1));
            assertEquals(file + ": " + field + " is null, expected a value",
                    assertThrows(InputException.class, () -> BlueprintReader.read(file)).getMessage());
            return;
        }
        Blueprint config = BlueprintReader.read(file);
        String[] values = expected.split(" ");
        assertEquals(Integer.parseInt(values[0]), config.attention().numKeyValueHeads());
        assertEquals(Integer.parseInt(values[1]), config.attention().headDim());
        assertEquals(Integer.parseInt(values[2]), config.maxPositionEmbeddings());
        assertEquals(Integer.parseInt(values[3]), config.slidingWindow());
        assertEquals(Double.parseDouble(values[4]), config.rmsNormEps());
        assertEquals(Double.parseDouble(values[5]), config.rope().theta());
        RopeScaling scaling = config.rope().scaling();
        assertEquals(values[6], scaling.getClass().getSimpleName().toLowerCase());
        assertEquals(values[7], switch (scaling) {
            case RopeScaling.Llama3 llama -> String.valueOf(llama.original());
            case RopeScaling.Yarn yarn -> String.valueOf(yarn.original());
            default -> "-";
        });
        assertEquals(values[8].equals("True"), config.tieWordEmbeddings());
        assertTrue(values[9].equals("silu"), "silu is the only supported activation");
    }
}
