package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.RopeScaling;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.SpecialTokens;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlueprintReaderTest {
    private static final String BASE = "'architectures':['LlamaForCausalLM'],'hidden_size':64,'intermediate_size':96,"
            + "'num_hidden_layers':2,'num_attention_heads':4,'vocab_size':100,'max_position_embeddings':128,"
            + "'rms_norm_eps':1e-5";

    @TempDir
    private Path folder;

    @Test
    void readsLlama2WithItsDefaults() throws IOException {
        Blueprint config = read(BASE + ",'torch_dtype':'float16','rope_scaling':null,'pretraining_tp':1");
        assertEquals(new Blueprint(64, 96, 2, new AttentionConfig(4, 4, 16), 100, 128, 1e-5, RopeConfig.of(10_000),
                false, DType.F16), config);
    }

    @Test
    void readsBothShapesOfRopeAlike() throws IOException {
        String scaling =
                "'factor':8.0,'low_freq_factor':1.0,'high_freq_factor':4.0,'original_max_position_embeddings':8192,"
                        + "'rope_type':'llama3'";
        RopeConfig expected = new RopeConfig(500_000, new RopeScaling.Llama3(8, 1, 4, 8192));
        assertEquals(expected, read(BASE + ",'rope_theta':500000.0,'rope_scaling':{" + scaling + "}").rope());
        assertEquals(expected,
                read(BASE + ",'dtype':'bfloat16','rope_parameters':{'rope_theta':500000.0," + scaling + "}").rope());
        assertEquals(new RopeConfig(10_000, new RopeScaling.Linear(2)),
                read(BASE + ",'rope_scaling':{'type':'linear','factor':2.0}").rope());
        assertEquals(RopeConfig.of(1e6),
                read(BASE + ",'rope_parameters':{'rope_theta':1000000.0,'rope_type':'default'}").rope());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "architectures is [GemmaForCausalLM], expected one of LlamaForCausalLM, "
        + "MistralForCausalLM|'LlamaForCausalLM'|'GemmaForCausalLM'",
        "hidden_size is missing|'hidden_size':64,|",
        "vocab_size is \"many\", expected an integer|'vocab_size':100|'vocab_size':'many'",
        "vocab_size is 100.5, expected an integer|'vocab_size':100|'vocab_size':100.5",
        "vocab_size: 0, expected a positive number|'vocab_size':100|'vocab_size':0",
        "rms_norm_eps is null, expected a value|1e-5|null",
        "num_attention_heads is 5, expected a divisor of hidden_size "
        + "64|'num_attention_heads':4|'num_attention_heads':5",
        "num_attention_heads: 4, expected a multiple of num_key_value_heads "
        + "3|'vocab_size'|'num_key_value_heads':3,'vocab_size'",
        "attention_bias is true, which is not supported|'vocab_size'|'attention_bias':true,'vocab_size'",
        "mlp_bias is true, which is not supported|'vocab_size'|'mlp_bias':true,'vocab_size'",
        "hidden_act is two lines, expected|'vocab_size'|'hidden_act':'two\\nlines','vocab_size'",
        "hidden_act is gelu, expected silu|'vocab_size'|'hidden_act':'gelu','vocab_size'",
        "tie_word_embeddings is \"yes\", expected true or false|'vocab_size'|'tie_word_embeddings':'yes','vocab_size'",
        "torch_dtype is int8, expected float32, bfloat16 or float16|'vocab_size'|'torch_dtype':'int8','vocab_size'",
        "rope_type is longrope, expected default, linear, dynamic, llama3 or "
        + "yarn|'vocab_size'|'rope_parameters':{'rope_theta':1e4,'rope_type':'longrope'},'vocab_size'",
        "rope_scaling: factor is missing|'vocab_size'|'rope_scaling':{'type':'linear'},'vocab_size'",
        "head_dim: 15, expected an even number|'vocab_size'|'head_dim':15,'vocab_size'",
    })
    void namesTheFieldAtFault(String complaint, String found, String replacement) {
        String message = assertThrows(InputException.class,
                () -> read(BASE.replace(found, replacement == null ? "" : replacement))).getMessage();
        assertTrue(message.startsWith(folder.resolve("config.json") + ": ") && message.contains(complaint), message);
        assertEquals(1, message.lines().count(), message);
    }

    @Test
    void readsSpecialTokensOfTheGenerationConfigFirst() throws IOException {
        read(BASE + ",'bos_token_id':1,'eos_token_id':2,'pad_token_id':-1");
        assertEquals(new SpecialTokens(OptionalInt.of(1), List.of(2), OptionalInt.empty()), SpecialTokens.read(folder));
        write("generation_config.json",
                "{'eos_token_id':[128001,128009],'temperature':0.6,'do_sample':true,'top_p':0.9}");
        assertEquals(new SpecialTokens(OptionalInt.of(1), List.of(128001, 128009), OptionalInt.empty()),
                SpecialTokens.read(folder));
    }

    private Blueprint read(String fields) throws IOException {
        write("config.json", "{" + fields + "}");
        return BlueprintReader.read(folder.resolve("config.json"));
    }

    private void write(String name, String json) throws IOException {
        Files.writeString(folder.resolve(name), json.replace('\'', '"'));
    }
}
