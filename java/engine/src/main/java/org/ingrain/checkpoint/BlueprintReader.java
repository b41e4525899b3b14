package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.files.JsonFields;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * config.json, as transformers 4 (rope_theta, rope_scaling, torch_dtype) and transformers 5 (rope_parameters, dtype)
 * write it. What would change the arithmetic and is not computed here is refused by name.
 */
public final class BlueprintReader {
    private static final Map<String, DType> DTYPES = Map.of(
            "float32", DType.F32, "bfloat16", DType.BF16, "float16", DType.F16);

    private BlueprintReader() {
    }

    public static Blueprint read(Path file) {
        JsonFields fields = JsonFields.read(file);
        requireLlama(fields);
        requireComputed(fields);
        int hiddenSize = fields.integer("hidden_size");
        int heads = fields.integer("num_attention_heads");
        try {
            AttentionConfig attention = new AttentionConfig(heads, fields.integer("num_key_value_heads", heads),
                    headDim(fields, hiddenSize, heads));
            return new Blueprint(hiddenSize, fields.integer("intermediate_size"), fields.integer("num_hidden_layers"),
                    attention, fields.integer("vocab_size"), fields.integer("max_position_embeddings"),
                    fields.number("rms_norm_eps"), rope(fields), fields.flag("tie_word_embeddings", false),
                    dtype(fields));
        } catch (InputException refused) {
            throw refused.getMessage().startsWith(fields.where()) ? refused
                    : new InputException(fields.where() + ": " + refused.getMessage());
        }
    }

    private static void requireLlama(JsonFields fields) {
        if (fields.has("architectures")) {
            List<String> architectures = fields.texts("architectures");
            if (!architectures.equals(List.of("LlamaForCausalLM"))) {
                throw new InputException(fields.where() + ": architectures is " + architectures
                        + ", expected [LlamaForCausalLM]");
            }
        } else if (!fields.text("model_type").equals("llama")) {
            throw new InputException(fields.where() + ": model_type is " + fields.text("model_type")
                    + ", expected llama (architecture LlamaForCausalLM)");
        }
    }

    private static void requireComputed(JsonFields fields) {
        for (String bias : List.of("attention_bias", "mlp_bias")) {
            if (fields.flag(bias, false)) {
                throw new InputException(fields.where() + ": " + bias + " is true, which is not supported");
            }
        }
        String activation = fields.text("hidden_act", "silu");
        if (!activation.equals("silu")) {
            throw new InputException(fields.where() + ": hidden_act is " + activation + ", expected silu");
        }
        if (fields.has("quantization_config")) {
            throw new InputException(
                    fields.where() + ": quantization_config is given; quantized weights are not supported");
        }
        if (fields.number("partial_rotary_factor", 1) != 1) {
            throw new InputException(fields.where() + ": partial_rotary_factor is "
                    + fields.number("partial_rotary_factor")
                    + ", expected 1");
        }
    }

    private static int headDim(JsonFields fields, int hiddenSize, int heads) {
        if (fields.has("head_dim")) {
            return fields.integer("head_dim");
        }
        if (heads < 1 || hiddenSize % heads != 0) {
            throw new InputException("num_attention_heads is " + heads + ", expected a divisor of hidden_size "
                    + hiddenSize
                    + " where head_dim is not given");
        }
        return hiddenSize / heads;
    }

    private static DType dtype(JsonFields fields) {
        String field = fields.has("dtype") ? "dtype" : "torch_dtype";
        String text = fields.text(field, "float32");
        DType dtype = DTYPES.get(text.replace("torch.", ""));
        if (dtype == null) {
            throw new InputException(fields.where() + ": " + field + " is " + text
                    + ", expected float32, bfloat16 or float16");
        }
        return dtype;
    }

    private static RopeConfig rope(JsonFields fields) {
        if (!fields.has("rope_parameters")) {
            double theta = fields.number("rope_theta", 10_000);
            return fields.has("rope_scaling") ? rope(fields.object("rope_scaling"), theta, fields) : RopeConfig.of(
                    theta);
        }
        JsonFields parameters = fields.object("rope_parameters");
        return rope(parameters, parameters.number("rope_theta", fields.number("rope_theta", 10_000)), fields);
    }

    private static RopeConfig rope(JsonFields scaling, double theta, JsonFields fields) {
        if (scaling.number("partial_rotary_factor", 1) != 1) {
            throw new InputException(scaling.where() + ": partial_rotary_factor is "
                    + scaling.number("partial_rotary_factor")
                    + ", expected 1");
        }
        String type = scaling.text("rope_type", scaling.text("type", "default"));
        return switch (type) {
            case "default" -> RopeConfig.of(theta);
            case "linear" -> RopeConfig.linear(theta, scaling.number("factor"));
            case "llama3" -> new RopeConfig(theta, RopeConfig.Type.LLAMA3, scaling.number("factor"),
                    scaling.number("low_freq_factor"), scaling.number("high_freq_factor"), original(scaling, fields));
            default -> throw new InputException(scaling.where() + ": rope_type is " + type
                    + ", expected default, linear or llama3");
        };
    }

    private static int original(JsonFields scaling, JsonFields fields) {
        String field = "original_max_position_embeddings";
        return fields.has(field) && !scaling.has(field) ? fields.integer(field) : scaling.integer(field);
    }
}
