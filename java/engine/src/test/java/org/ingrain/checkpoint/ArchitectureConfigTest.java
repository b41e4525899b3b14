package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.RopeScaling;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Reads the published configs of Mistral, Qwen2.5 and Qwen3; checks the published numbers of parameters. */
class ArchitectureConfigTest {
    private static final Path MODELS = Path.of(System.getProperty("ingrain.root"), "models");
    private static final String SMALL = "'hidden_size':64,'intermediate_size':96,'num_hidden_layers':4,"
            + "'num_attention_heads':4,'num_key_value_heads':2,'vocab_size':100,'max_position_embeddings':512,"
            + "'rms_norm_eps':1e-6";
    private static final String QWEN25_7B = "'model_type':'qwen2','hidden_size':3584,'intermediate_size':18944,"
            + "'num_hidden_layers':28,'num_attention_heads':28,'num_key_value_heads':4,'vocab_size':152064,"
            + "'max_position_embeddings':32768,'max_window_layers':28,'sliding_window':131072,"
            + "'use_sliding_window':false,'rms_norm_eps':1e-6,'rope_theta':1000000.0,'torch_dtype':'bfloat16'";

    @TempDir
    private Path folder;

    private Blueprint read(String fields) throws IOException {
        Path file = folder.resolve("config.json");
        Files.writeString(file, "{" + fields.replace('\'', '"') + "}");
        return BlueprintReader.read(file);
    }

    /** Tests the differences between each architecture and Llama. The first row is Llama. */
    @ParameterizedTest
    @CsvSource({"tinyllama-1.1b, 1100048384, 2048, false, false", "mistral-7b, 7241732096, 4096, false, false",
        "qwen2.5-0.5b, 494032768, 32768, true, false", "qwen2.5-7b, 7615616512, 131072, true, false",
        "qwen3-8b, 8190735360, 40960, false, true"})
    void publishedSizes(String name, long parameters, int context, boolean bias, boolean norm) {
        Blueprint config = BlueprintReader.read(MODELS.resolve(name + ".json"));
        assertEquals(parameters, config.parameters().elements());
        assertEquals(context, config.maxContextLength());
        assertEquals(bias, config.attention().qkvBias());
        assertEquals(norm, config.attention().qkNorm());
        assertEquals(DType.BF16, config.dtype());
    }

    @Test
    void mistral03HasNoWindow() throws IOException {
        Blueprint config = read("'architectures':['MistralForCausalLM'],'model_type':'mistral','hidden_size':4096,"
                + "'intermediate_size':14336,'num_hidden_layers':32,'num_attention_heads':32,'num_key_value_heads':8,"
                + "'vocab_size':32768,'max_position_embeddings':32768,'sliding_window':null,'rms_norm_eps':1e-5,"
                + "'rope_theta':1000000.0,'tie_word_embeddings':false,'torch_dtype':'bfloat16'");
        assertEquals(7_248_023_552L, config.parameters().elements());
        assertEquals(32768, config.maxContextLength());
        assertEquals(0, config.slidingWindow());
        assertEquals(new AttentionConfig(32, 8, 128), config.attention());
    }

    @Test
    void qwen3OfHeadDimensionItsOwn() throws IOException {
        Blueprint config = read("'architectures':['Qwen3ForCausalLM'],'attention_bias':false,'head_dim':128,"
                + "'hidden_size':1024,'intermediate_size':3072,'max_position_embeddings':40960,'max_window_layers':28,"
                + "'model_type':'qwen3','num_attention_heads':16,'num_hidden_layers':28,'num_key_value_heads':8,"
                + "'rms_norm_eps':1e-6,'rope_scaling':null,'rope_theta':1000000,'sliding_window':null,"
                + "'tie_word_embeddings':true,'torch_dtype':'bfloat16','use_sliding_window':false,'vocab_size':151936");
        assertEquals(596_049_920L, config.parameters().elements());
        assertEquals(new AttentionConfig(16, 8, 128, false, true), config.attention());
        assertEquals(2048, config.attention().queries(), "twice the hidden size");
        assertEquals(128, read("'model_type':'qwen3'," + SMALL).attention().headDim(), "head_dim is missing");
    }

    /** The YaRN settings in Qwen's model cards, with the field names of transformers 4 and 5. */
    @ParameterizedTest
    @CsvSource({"rope_scaling, type", "rope_scaling, rope_type", "rope_parameters, rope_type"})
    void yarnStretchesTheOriginalContext(String field, String type) throws IOException {
        Blueprint config = read(QWEN25_7B + ",'" + field + "':{'" + type + "':'yarn','factor':4.0,"
                + "'original_max_position_embeddings':32768}");
        double attention = 0.1 * Math.log(4) + 1;
        assertEquals(new RopeConfig(1e6, new RopeScaling.Yarn(4, 32768, 32, 1, true, attention)), config.rope());
        assertEquals(131072, config.maxContextLength());
        assertEquals(7_615_616_512L, config.parameters().elements());
    }

    @Test
    void yarnIsCompletedAsTransformersDoes() throws IOException {
        String yarn = "'model_type':'qwen3'," + SMALL + ",'rope_scaling':{'rope_type':'yarn','factor':40,";
        RopeScaling.Yarn full = (RopeScaling.Yarn) read(yarn + "'original_max_position_embeddings':16,'beta_fast':16,"
                + "'beta_slow':2,'mscale':1.0,'mscale_all_dim':0.5,'truncate':false}").rope().scaling();
        // transformers 5.18, _compute_yarn_parameters
        assertEquals(1.1557219901962608, full.attentionFactor(), 1e-15);
        assertEquals(new RopeScaling.Yarn(40, 16, 16, 2, false, full.attentionFactor()), full);
        RopeScaling.Yarn given = (RopeScaling.Yarn) read(yarn + "'attention_factor':1.5}").rope().scaling();
        assertEquals(new RopeScaling.Yarn(40, 512, 32, 1, true, 1.5), given);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "mistral|0|'sliding_window':null",
        "mistral|4096|'head_dim':32",
        "mistral|300|'sliding_window':300",
        "llama|0|'sliding_window':300",
        "qwen2|0|'sliding_window':300",
        "qwen2|0|'sliding_window':300,'use_sliding_window':false",
        "qwen2|0|'sliding_window':300,'use_sliding_window':true,'max_window_layers':4",
        "qwen2|300|'sliding_window':300,'use_sliding_window':true,'max_window_layers':3",
        "qwen2|4096|'use_sliding_window':true,'max_window_layers':0",
        "qwen2|0|'sliding_window':null,'use_sliding_window':true,'max_window_layers':0",
        "qwen3|0|'sliding_window':300,'use_sliding_window':true,'layer_types':['full_attention','full_attention']",
        "qwen3|300|'sliding_window':300,'use_sliding_window':true,'layer_types':['full_attention','sliding_attention']",
    })
    void windowsOfSomeLayersEndTheContext(String type, int window, String fields) throws IOException {
        Blueprint config = read("'model_type':'" + type + "'," + SMALL + "," + fields);
        assertEquals(window, config.slidingWindow());
        assertEquals(window == 0 ? 512 : Math.min(window, 512), config.maxContextLength());
        assertTrue(config.contextLimit().startsWith(
                window == 0 || window > 512 ? "max_position_embeddings 512" : "sliding_window 300,"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "model_type is gemma, expected one of llama, mistral, qwen2, qwen3|'model_type':'gemma'",
        "architectures is [Qwen2MoeForCausalLM], expected one of LlamaForCausalLM, MistralForCausalLM, "
        + "Qwen2ForCausalLM, Qwen3ForCausalLM|'architectures':['Qwen2MoeForCausalLM']",
        "attention_bias is true, which is not supported|'model_type':'qwen3','attention_bias':true",
        "sliding_window: 0, expected a positive number or null|'model_type':'mistral','sliding_window':0",
        "rope beta_fast: 0.5, expected at least beta_slow 1.0"
        + "|'model_type':'llama','rope_scaling':{'rope_type':'yarn','factor':2,'beta_fast':0.5}",
        "rope factor: 0.5, expected 1 or more|'model_type':'llama','rope_scaling':{'type':'dynamic','factor':0.5}",
    })
    void namesTheFieldAtFault(String complaint, String fields) {
        String message = assertThrows(InputException.class, () -> read(fields + "," + SMALL)).getMessage();
        assertTrue(message.startsWith(folder.resolve("config.json") + ": ") && message.contains(complaint), message);
        assertEquals(1, message.lines().count(), message);
    }
}
