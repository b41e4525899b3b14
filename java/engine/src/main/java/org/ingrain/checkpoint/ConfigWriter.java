package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.RopeScaling;
import org.ingrain.tensor.DType;
import org.ingrain.tokenizer.SpecialTokens;

/**
 * Writes config.json with transformers 4's field names (rope_theta, rope_scaling, torch_dtype), which transformers 5
 * also reads.
 */
public final class ConfigWriter {
    private static final Map<DType, String> DTYPES = Map.of(
            DType.F32, "float32", DType.BF16, "bfloat16", DType.F16, "float16");

    private ConfigWriter() {
    }

    public static void write(Path file, Blueprint config, SpecialTokens specials) {
        Map<String, Object> fields = new LinkedHashMap<>();
        architecture(fields, config);
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

    /**
     * Selects an architecture that supports this configuration. Adds the name of this architecture and the fields that
     * only this architecture has.
     */
    private static void architecture(Map<String, Object> fields, Blueprint config) {
        AttentionConfig attention = config.attention();
        String family = attention.qkNorm() ? "qwen3" : attention.qkvBias() ? "qwen2"
                : config.slidingWindow() > 0 ? "mistral" : "llama";
        fields.put("architectures", List.of(family.substring(0, 1).toUpperCase(Locale.ROOT) + family.substring(1)
                + "ForCausalLM"));
        fields.put("model_type", family);
        if (!attention.qkvBias()) {
            fields.put("attention_bias", false);
        }
        if (config.slidingWindow() > 0) {
            fields.put("sliding_window", config.slidingWindow());
        }
        if (config.slidingWindow() > 0 && !family.equals("mistral")) {
            fields.put("use_sliding_window", true);
            fields.put("max_window_layers", 0);
        }
    }

    private static Map<String, Object> scaling(RopeConfig rope) {
        Map<String, Object> scaling = new LinkedHashMap<>();
        scaling.put("rope_type", rope.scaling().type());
        switch (rope.scaling()) {
            case RopeScaling.Default none -> {
                return null;
            }
            case RopeScaling.Linear(double factor) -> scaling.put("factor", factor);
            case RopeScaling.Dynamic(double factor) -> scaling.put("factor", factor);
            case RopeScaling.Llama3 llama3 -> {
                scaling.put("factor", llama3.factor());
                scaling.put("low_freq_factor", llama3.lowFreqFactor());
                scaling.put("high_freq_factor", llama3.highFreqFactor());
                scaling.put("original_max_position_embeddings", llama3.original());
            }
            case RopeScaling.Yarn yarn -> {
                scaling.put("factor", yarn.factor());
                scaling.put("original_max_position_embeddings", yarn.original());
                scaling.put("beta_fast", yarn.betaFast());
                scaling.put("beta_slow", yarn.betaSlow());
                scaling.put("truncate", yarn.truncate());
                scaling.put("attention_factor", yarn.attentionFactor());
            }
        }
        return scaling;
    }
}
