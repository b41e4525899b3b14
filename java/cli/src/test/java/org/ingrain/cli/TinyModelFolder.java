package org.ingrain.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.files.Json;
import org.ingrain.tokenizer.TinyTokenizers;

/** A random Llama of 30,000 parameters with a byte-level tokenizer, as a Hugging Face folder. */
public final class TinyModelFolder {
    static final int VOCABULARY = 259;
    public static final int CONTEXT = 192;

    private TinyModelFolder() {
    }

    public static Path write(Path folder) throws IOException {
        Files.createDirectories(folder);
        TinyTokenizers.byteLevel(folder);
        Files.writeString(folder.resolve("config.json"), config());
        SafetensorsWriter.writeModel(folder, tensors(), Long.MAX_VALUE);
        return folder;
    }

    /** Writes the same model with its weights in shards of a few kilobytes. */
    static Path writeSharded(Path folder) throws IOException {
        write(folder);
        Files.delete(folder.resolve("model.safetensors"));
        SafetensorsWriter.writeModel(folder, tensors(), 30_000);
        return folder;
    }

    /**
     * Writes a model that gives the same answer to every prompt. The answer is one token. After the answer token, the
     * model generates the end-of-sequence token. After any other token, the model generates the answer token. The
     * layers have no effect.
     */
    static Path writeConstant(Path folder, String answer, int context) throws IOException {
        write(folder);
        Path tokenizer = folder.resolve("tokenizer.json");
        Files.writeString(tokenizer, Files.readString(tokenizer).replaceFirst("\"added_tokens\":\\[",
                Matcher.quoteReplacement("\"added_tokens\":[{\"id\":" + VOCABULARY + ",\"content\":" + Json.line(answer)
                + ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                + "\"special\":false},")));
        Files.writeString(folder.resolve("config.json"), config().replace("259", String.valueOf(VOCABULARY + 1))
                .replace("192", String.valueOf(context)));
        List<TensorOutput> constant = new ArrayList<>();
        tensors().forEach(tensor -> {
            boolean head = tensor.name().equals("lm_head.weight");
            if (head || tensor.name().equals("model.embed_tokens.weight")) {
                float[] values = new float[(VOCABULARY + 1) * 32];
                for (int token = 0; token <= VOCABULARY && !head; token++) {
                    values[token * 32 + (token == VOCABULARY ? 1 : 0)] = 1;
                }
                values[head ? VOCABULARY * 32 : 0] = head ? 9 : 1;
                values[32 + 1] = head ? 9 : 0;
                constant.add(TensorOutput.of(tensor.name(), values, VOCABULARY + 1, 32));
            } else if (tensor.name().contains("o_proj") || tensor.name().contains("down_proj")) {
                long[] shape = tensor.name().contains("o_proj") ? new long[] {32, 32} : new long[] {32, 64};
                constant.add(TensorOutput.of(tensor.name(), new float[(int) (shape[0] * shape[1])], shape));
            } else {
                constant.add(tensor);
            }
        });
        SafetensorsWriter.writeModel(folder, constant, Long.MAX_VALUE);
        return folder;
    }

    public static String config() {
        return """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 259,
                 "max_position_embeddings": 192, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false,
                 "hidden_act": "silu", "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32"}
                """;
    }

    static List<TensorOutput> tensors() {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", new long[] {VOCABULARY, 32});
        for (int i = 0; i < 2; i++) {
            String layer = "model.layers." + i + ".";
            shapes.put(layer + "input_layernorm.weight", new long[] {32});
            shapes.put(layer + "self_attn.q_proj.weight", new long[] {32, 32});
            shapes.put(layer + "self_attn.k_proj.weight", new long[] {16, 32});
            shapes.put(layer + "self_attn.v_proj.weight", new long[] {16, 32});
            shapes.put(layer + "self_attn.o_proj.weight", new long[] {32, 32});
            shapes.put(layer + "post_attention_layernorm.weight", new long[] {32});
            shapes.put(layer + "mlp.gate_proj.weight", new long[] {64, 32});
            shapes.put(layer + "mlp.up_proj.weight", new long[] {64, 32});
            shapes.put(layer + "mlp.down_proj.weight", new long[] {32, 64});
        }
        shapes.put("model.norm.weight", new long[] {32});
        shapes.put("lm_head.weight", new long[] {VOCABULARY, 32});
        Random random = new Random(5);
        List<TensorOutput> tensors = new ArrayList<>();
        shapes.forEach((name, shape) -> {
            float[] values = new float[(int) (shape[0] * (shape.length > 1 ? shape[1] : 1))];
            for (int i = 0; i < values.length; i++) {
                values[i] = shape.length == 1 ? 1 : (float) random.nextGaussian() * 0.2f;
            }
            tensors.add(TensorOutput.of(name, values, shape));
        });
        return tensors;
    }
}
