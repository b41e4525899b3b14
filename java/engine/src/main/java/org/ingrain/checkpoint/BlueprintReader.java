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
 * (rope_parameters, dtype). An unsupported setting that would change the result causes an InputException that names the
 * setting. Five fields are required, because they determine the sizes of the weights: hidden_size, intermediate_size,
 * num_hidden_layers, num_attention_heads and vocab_size. If another field is missing, the default of the architecture's
 * config class in transformers 5.18 is used; {@code benchmarks/peers/config_defaults.py} prints these defaults.
 */
public final class BlueprintReader {
    private static final Map<String, DType> DTYPES = Map.of(
            "float32", DType.F32, "bfloat16", DType.BF16, "float16", DType.F16);
    private static final String ORIGINAL = "original_max_position_embeddings";
    /** Default of transformers for a missing field sliding_window. */
    private static final int WINDOW = 4096;
    private static final int WINDOW_LAYERS = 28;
    private static final int QWEN3_HEAD_DIM = 128;
    private static final double RMS_NORM_EPS = 1e-6;
    private static final double ROPE_THETA = 10_000;
    /** Fields that may be absent but must not be null. transformers also refuses null for them. */
    private static final List<String> NEVER_NULL = List.of("max_position_embeddings", "rms_norm_eps", "hidden_act",
            "tie_word_embeddings", "rope_theta");

    private static final long MOST_ELEMENTS = 1L << 40;
    private static final int MOST_LAYERS = 1 << 16;

    private BlueprintReader() {
    }

    /** The supported architectures, and the differences between their config.json files. */
    private enum Architecture {
        LLAMA("LlamaForCausalLM", "llama", 2048, 0), MISTRAL("MistralForCausalLM", "mistral", 131_072, 8),
        QWEN2("Qwen2ForCausalLM", "qwen2", 32_768, 32), QWEN3("Qwen3ForCausalLM", "qwen3", 32_768, 32);

        private final String name;
        private final String modelType;
        /** The default of max_position_embeddings. */
        private final int positions;
        /** The default of num_key_value_heads; 0 means that num_attention_heads is the default. */
        private final int keyValueHeads;

        Architecture(String name, String modelType, int positions, int keyValueHeads) {
            this.name = name;
            this.modelType = modelType;
            this.positions = positions;
            this.keyValueHeads = keyValueHeads;
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
            // If num_key_value_heads is null, transformers uses num_attention_heads, even if the architecture has
            // another default for a missing field.
            int otherwise = keyValueHeads == 0 || isNull(fields, "num_key_value_heads") ? heads : keyValueHeads;
            int headDim = this == QWEN3 ? fields.integer("head_dim", QWEN3_HEAD_DIM)
                    : BlueprintReader.headDim(fields, hiddenSize, heads);
            return new AttentionConfig(heads, fields.integer("num_key_value_heads", otherwise), headDim,
                    this == QWEN2, this == QWEN3);
        }

        /** The length of the attention window in tokens; 0 if no layer has a window. */
        int slidingWindow(JsonFields fields) {
            return switch (this) {
                case LLAMA -> 0;
                case MISTRAL -> window(fields);
                case QWEN2, QWEN3 -> slides(fields) ? window(fields) : 0;
            };
        }

        /**
         * Returns the field sliding_window as a number of tokens. Returns 0 (no window) if the field is null. If the
         * field is missing, the default of transformers applies.
         */
        private static int window(JsonFields fields) {
            boolean none = isNull(fields, "sliding_window");
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
        requireComputed(fields, architecture);
        int hiddenSize = fields.integer("hidden_size");
        try {
            int positions = fields.integer("max_position_embeddings", architecture.positions);
            RopeConfig rope = rope(fields, positions);
            requireSizes(fields, "vocab_size", "intermediate_size");
            return new Blueprint(hiddenSize, fields.integer("intermediate_size"), fields.integer("num_hidden_layers"),
                    architecture.attention(fields, hiddenSize), fields.integer("vocab_size"), extended(positions, rope),
                    architecture.slidingWindow(fields), fields.number("rms_norm_eps", RMS_NORM_EPS), rope,
                    fields.flag("tie_word_embeddings", false), dtype(fields));
        } catch (InputException refused) {
            throw refused.getMessage().startsWith(fields.where()) ? refused
                    : new InputException(fields.where() + ": " + refused.getMessage());
        }
    }

    /** Refuses sizes so large that the number of bytes of the weights could exceed 64 bits. */
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
     * Returns the context length in tokens. With YaRN, this is the larger of {@code positions} and the factor times the
     * original length; otherwise it is {@code positions}. A config.json with YaRN may still contain the original length
     * as max_position_embeddings, as in Qwen2.5.
     */
    private static int extended(int positions, RopeConfig rope) {
        return rope.scaling() instanceof RopeScaling.Yarn yarn
                ? Math.max(positions, (int) Math.min(Integer.MAX_VALUE, yarn.factor() * yarn.original())) : positions;
    }

    private static boolean isNull(JsonFields fields, String field) {
        return fields.names().contains(field) && !fields.has(field);
    }

    private static void requireComputed(JsonFields fields, Architecture architecture) {
        Stream<String> own = switch (architecture) {
            case MISTRAL -> Stream.of("num_key_value_heads");
            case QWEN3 -> Stream.of("head_dim");
            case LLAMA, QWEN2 -> Stream.empty();
        };
        Stream.concat(NEVER_NULL.stream(), own)
                .filter(field -> isNull(fields, field)).findFirst().ifPresent(field -> {
                    throw new InputException(fields.where() + ": " + field + " is null, expected a value");
                });
        for (String bias : List.of("attention_bias", "mlp_bias")) {
            if (fields.flag(bias, false)) {
                throw new InputException(fields.where() + ": " + bias + " is true, which is not supported");
            }
        }
        String activation = fields.text("hidden_act", "silu");
        if (!activation.equals("silu")) {
            throw new InputException(fields.where() + ": hidden_act is " + activation + ", expected silu");
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
                    + ", because head_dim is not given");
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

    private static RopeConfig rope(JsonFields fields, int positions) {
        double theta = fields.number("rope_theta", ROPE_THETA);
        // If both fields are present, transformers reads rope_scaling.
        String field = fields.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
        if (!fields.has(field)) {
            return RopeConfig.of(theta);
        }
        JsonFields scaling = fields.object(field);
        return new RopeConfig(scaling.number("rope_theta", theta),
                scaling(scaling, scaling.integer(ORIGINAL, fields.integer(ORIGINAL, positions)), positions));
    }

    /** @param original value of original_max_position_embeddings; by default max_position_embeddings */
    private static RopeScaling scaling(JsonFields scaling, int original, int positions) {
        if (scaling.number("partial_rotary_factor", 1) != 1) {
            throw new InputException(scaling.where() + ": partial_rotary_factor is "
                    + scaling.number("partial_rotary_factor")
                    + ", expected 1");
        }
        String type = scaling.text("rope_type", scaling.text("type", "default"));
        return switch (type) {
            case "default" -> new RopeScaling.Default();
            case "linear" -> new RopeScaling.Linear(scaling.number("factor"));
            case "dynamic" -> new RopeScaling.Dynamic(scaling.number("factor"));
            case "llama3" -> new RopeScaling.Llama3(scaling.number("factor"), scaling.number("low_freq_factor"),
                    scaling.number("high_freq_factor"), original);
            case "yarn" -> yarn(scaling, original, positions);
            default -> throw new InputException(scaling.where() + ": rope_type is " + type
                    + ", expected default, linear, dynamic, llama3 or yarn");
        };
    }

    /** Reads YaRN's parameters. Missing fields have the defaults of transformers' modeling_rope_utils. */
    private static RopeScaling yarn(JsonFields scaling, int original, int positions) {
        double factor = scaling.number("factor", (double) positions / original);
        double mscale = scaling.number("mscale", 0);
        double ofAllDimensions = scaling.number("mscale_all_dim", 0);
        double attention = mscale != 0 && ofAllDimensions != 0
                ? RopeScaling.Yarn.attentionFactor(factor, mscale)
                        / RopeScaling.Yarn.attentionFactor(factor, ofAllDimensions)
                : RopeScaling.Yarn.attentionFactor(factor, 1);
        return new RopeScaling.Yarn(factor, original, scaling.number("beta_fast", 32), scaling.number("beta_slow", 1),
                scaling.flag("truncate", true), scaling.number("attention_factor", attention));
    }
}
