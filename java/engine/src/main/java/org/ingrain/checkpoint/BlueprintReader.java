package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.files.JsonFields;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.RopeScaling;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;

/**
 * Reads config.json in the format of transformers 4 (rope_theta, rope_scaling, torch_dtype) or transformers 5
 * (rope_parameters, dtype). Throws an InputException for an unsupported setting that would change the result. The
 * message names the setting.
 */
public final class BlueprintReader {
    private static final Map<String, DType> DTYPES = Map.of(
            "float32", DType.F32, "bfloat16", DType.BF16, "float16", DType.F16);
    private static final String ORIGINAL = "original_max_position_embeddings";
    /** transformers' default for a missing sliding_window. */
    private static final int WINDOW = 4096;
    private static final int WINDOW_LAYERS = 28;
    private static final int QWEN3_HEAD_DIM = 128;

    private static final long MOST_ELEMENTS = 1L << 40;
    private static final int MOST_LAYERS = 1 << 16;

    private BlueprintReader() {
    }

    /** The differences between the supported architectures in config.json. */
    private enum Architecture {
        LLAMA("LlamaForCausalLM", "llama"), MISTRAL("MistralForCausalLM", "mistral"),
        QWEN2("Qwen2ForCausalLM", "qwen2"), QWEN3("Qwen3ForCausalLM", "qwen3");

        private final String name;
        private final String modelType;

        Architecture(String name, String modelType) {
            this.name = name;
            this.modelType = modelType;
        }

        static Architecture of(JsonFields fields) {
            boolean named = fields.has("architectures");
            List<String> names = named ? fields.texts("architectures") : List.of(fields.text("model_type"));
            return Stream.of(values()).filter(a -> names.equals(List.of(named ? a.name : a.modelType))).findFirst()
                    .orElseThrow(() -> new InputException(fields.where() + ": "
                            + (named ? "architectures is " + names : "model_type is " + names.getFirst())
                            + ", expected one of " + Stream.of(values()).map(a -> named ? a.name : a.modelType)
                            .collect(Collectors.joining(", "))));
        }

        AttentionConfig attention(JsonFields fields, int hiddenSize) {
            int heads = fields.integer("num_attention_heads");
            int keyValueHeads = this == LLAMA ? fields.integer("num_key_value_heads", heads)
                    : fields.integer("num_key_value_heads");
            int headDim = this == QWEN3 ? fields.integer("head_dim", QWEN3_HEAD_DIM)
                    : BlueprintReader.headDim(fields, hiddenSize, heads);
            return new AttentionConfig(heads, keyValueHeads, headDim, this == QWEN2, this == QWEN3);
        }

        /** The attention window in tokens; 0 if no layer has a window. */
        int slidingWindow(JsonFields fields) {
            return switch (this) {
                case LLAMA -> 0;
                case MISTRAL -> window(fields);
                case QWEN2, QWEN3 -> slides(fields) ? window(fields) : 0;
            };
        }

        /**
         * The value of sliding_window; 0 if it is null, which means no window. If the field is missing, the default of
         * transformers applies.
         */
        private static int window(JsonFields fields) {
            boolean none = fields.names().contains("sliding_window") && !fields.has("sliding_window");
            int window = none ? 0 : fields.integer("sliding_window", WINDOW);
            Require.that(none || window >= 1, "sliding_window", window, "a positive number or null");
            return window;
        }

        /** Whether any layer of a Qwen model has a window. */
        private static boolean slides(JsonFields fields) {
            if (!fields.flag("use_sliding_window", false)) {
                return false;
            }
            return fields.has("layer_types") ? fields.texts("layer_types").contains("sliding_attention")
                    : fields.integer("max_window_layers", WINDOW_LAYERS) < fields.integer("num_hidden_layers");
        }
    }

    public static Blueprint read(Path file) {
        JsonFields fields = JsonFields.read(file);
        Architecture architecture = Architecture.of(fields);
        requireComputed(fields);
        int hiddenSize = fields.integer("hidden_size");
        try {
            RopeConfig rope = rope(fields);
            requireSizes(fields, "vocab_size", "intermediate_size");
            return new Blueprint(hiddenSize, fields.integer("intermediate_size"), fields.integer("num_hidden_layers"),
                    architecture.attention(fields, hiddenSize), fields.integer("vocab_size"), positions(fields, rope),
                    architecture.slidingWindow(fields), fields.number("rms_norm_eps"), rope,
                    fields.flag("tie_word_embeddings", false), dtype(fields));
        } catch (InputException refused) {
            throw refused.getMessage().startsWith(fields.where()) ? refused
                    : new InputException(fields.where() + ": " + refused.getMessage());
        }
    }

    /** Refuses sizes for which the number of bytes would not fit into 64 bits. */
    private static void requireSizes(JsonFields fields, String... rows) {
        int hiddenSize = fields.integer("hidden_size");
        for (String field : rows) {
            Require.that((long) fields.integer(field) * hiddenSize <= MOST_ELEMENTS, field,
                    fields.integer(field) + " with hidden_size " + hiddenSize, "a matrix of at most 2^40 elements");
        }
        Require.that(fields.integer("num_hidden_layers") <= MOST_LAYERS, "num_hidden_layers",
                fields.integer("num_hidden_layers"), "at most " + MOST_LAYERS);
    }

    /**
     * The context length in tokens. With YaRN it is at least factor times the original length, even if
     * max_position_embeddings is the original length, as in Qwen2.5.
     */
    private static int positions(JsonFields fields, RopeConfig rope) {
        int positions = fields.integer("max_position_embeddings");
        return rope.scaling() instanceof RopeScaling.Yarn yarn
                ? Math.max(positions, (int) Math.min(Integer.MAX_VALUE, yarn.factor() * yarn.original())) : positions;
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
        return new RopeConfig(theta, switch (type) {
            case "default" -> new RopeScaling.Default();
            case "linear" -> new RopeScaling.Linear(scaling.number("factor"));
            case "dynamic" -> new RopeScaling.Dynamic(scaling.number("factor"));
            case "llama3" -> new RopeScaling.Llama3(scaling.number("factor"), scaling.number("low_freq_factor"),
                    scaling.number("high_freq_factor"), original(scaling, fields));
            case "yarn" -> yarn(scaling, fields);
            default -> throw new InputException(scaling.where() + ": rope_type is " + type
                    + ", expected default, linear, dynamic, llama3 or yarn");
        });
    }

    /** Reads the parameters of YaRN. Missing fields have the defaults of transformers' modeling_rope_utils. */
    private static RopeScaling yarn(JsonFields scaling, JsonFields fields) {
        int original = scaling.has(ORIGINAL) || fields.has(ORIGINAL) ? original(scaling, fields)
                : fields.integer("max_position_embeddings");
        double factor = scaling.number("factor", (double) fields.integer("max_position_embeddings") / original);
        double mscale = scaling.number("mscale", 0);
        double ofAllDimensions = scaling.number("mscale_all_dim", 0);
        double attention = mscale != 0 && ofAllDimensions != 0
                ? RopeScaling.Yarn.attentionFactor(factor, mscale)
                        / RopeScaling.Yarn.attentionFactor(factor, ofAllDimensions)
                : RopeScaling.Yarn.attentionFactor(factor, 1);
        return new RopeScaling.Yarn(factor, original, scaling.number("beta_fast", 32), scaling.number("beta_slow", 1),
                scaling.flag("truncate", true), scaling.number("attention_factor", attention));
    }

    private static int original(JsonFields scaling, JsonFields fields) {
        return fields.has(ORIGINAL) && !scaling.has(ORIGINAL) ? fields.integer(ORIGINAL) : scaling.integer(ORIGINAL);
    }
}
