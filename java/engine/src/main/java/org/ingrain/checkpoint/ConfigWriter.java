package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.tensor.DType;
import org.ingrain.tokenizer.SpecialTokens;

/**
 * Writes config.json with transformers 4's names (rope_theta, rope_scaling, torch_dtype), which transformers 5 reads as
 * well.
 */
public final class ConfigWriter {
    private static final Map<DType, String> DTYPES = Map.of(
            DType.F32, "float32", DType.BF16, "bfloat16", DType.F16, "float16");

    private ConfigWriter() {
    }

    public static void write(Path file, Blueprint config, SpecialTokens specials) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("architectures", List.of("LlamaForCausalLM"));
        fields.put("model_type", "llama");
        fields.put("attention_bias", false);
        fields.put("bos_token_id", specials.bosId().isPresent() ? specials.bosId().getAsInt() : null);
        fields.put("eos_token_id", specials.eosIds().isEmpty() ? null
                : specials.eosIds().size() == 1 ? specials.eosIds().getFirst() : specials.eosIds());
        fields.put("head_dim", config.attention().headDim());
        fields.put("hidden_act", "silu");
        fields.put("hidden_size", config.hiddenSize());
        fields.put("intermediate_size", config.intermediateSize());
        fields.put("max_position_embeddings", config.maxPositionEmbeddings());
        fields.put("mlp_bias", false);
        fields.put("num_attention_heads", config.attention().numAttentionHeads());
        fields.put("num_hidden_layers", config.numHiddenLayers());
        fields.put("num_key_value_heads", config.attention().numKeyValueHeads());
        fields.put("pad_token_id", specials.padId().isPresent() ? specials.padId().getAsInt() : null);
        fields.put("rms_norm_eps", config.rmsNormEps());
        fields.put("rope_scaling", scaling(config.rope()));
        fields.put("rope_theta", config.rope().theta());
        fields.put("tie_word_embeddings", config.tieWordEmbeddings());
        fields.put("torch_dtype", DTYPES.get(config.dtype()));
        fields.put("vocab_size", config.vocabSize());
        DurableFile.write(file, Json.config(fields));
    }

    private static Map<String, Object> scaling(RopeConfig rope) {
        if (rope.type() == RopeConfig.Type.DEFAULT) {
            return null;
        }
        Map<String, Object> scaling = new LinkedHashMap<>();
        scaling.put("rope_type", rope.type().name().toLowerCase(Locale.ROOT));
        scaling.put("factor", rope.factor());
        if (rope.type() == RopeConfig.Type.LLAMA3) {
            scaling.put("low_freq_factor", rope.lowFreqFactor());
            scaling.put("high_freq_factor", rope.highFreqFactor());
            scaling.put("original_max_position_embeddings", rope.originalMaxPositionEmbeddings());
        }
        return scaling;
    }
}
