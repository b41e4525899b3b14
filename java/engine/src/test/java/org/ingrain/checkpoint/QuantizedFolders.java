package org.ingrain.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.StringJoiner;

/**
 * Writes a small random Llama twice: with integer weights in the layout of GPTQ or AWQ, and with the same weights in
 * F32. The layouts are those of AutoGPTQ (qlinear_cuda_old.py) and AutoAWQ (packing_utils.py). This class shares no
 * code with the reader that it tests.
 */
public final class QuantizedFolders {
    private static final int[] AWQ_ORDER = {0, 2, 4, 6, 1, 3, 5, 7};
    private static final int VOCABULARY = 48;
    private static final int HEADS = 8;

    private final Kind kind;
    private final Random random = new Random(7);
    private final Map<String, Stored> integers = new LinkedHashMap<>();
    private final Map<String, Stored> floats = new LinkedHashMap<>();

    /**
     * A layout.
     *
     * @param second for GPTQ: true if zero points are stored unchanged (checkpoint_format gptq_v2), false if they are
     *               stored minus 1
     */
    public record Kind(String method, int bits, int group, boolean sym, boolean second) {
        /** The layouts that the tests use. */
        public static final List<Kind> ALL = List.of(
                new Kind("gptq", 4, 32, true, false), new Kind("gptq", 4, 64, false, false),
                new Kind("gptq", 4, 128, false, true), new Kind("gptq", 8, 32, true, false),
                new Kind("gptq", 8, 128, true, true), new Kind("awq", 4, 32, false, false),
                new Kind("awq", 4, 128, false, false));

        String config() {
            return method.equals("awq")
                    ? "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": " + group
                            + ", \"zero_point\": true, \"version\": \"gemm\"}"
                    : "{\"quant_method\": \"gptq\", \"bits\": " + bits + ", \"group_size\": " + group
                            + ", \"desc_act\": false, \"sym\": " + sym
                            + (second ? ", \"checkpoint_format\": \"gptq_v2\"" : "") + "}";
        }
    }

    private record Stored(String type, long[] shape, byte[] bytes) {
    }

    private QuantizedFolders(Kind kind) {
        this.kind = kind;
    }

    /**
     * Writes the two folders.
     *
     * @param folder       folder for the model with integers
     * @param twin         folder for the model in F32; null to write none
     * @param hidden       width of the residual stream; a multiple of the number of heads, which is 8
     * @param intermediate width of gate and up
     */
    public static void write(Kind kind, Path folder, Path twin, int hidden, int intermediate) throws IOException {
        QuantizedFolders made = new QuantizedFolders(kind);
        made.both("model.embed_tokens.weight", VOCABULARY, hidden);
        String layer = "model.layers.0.";
        for (String norm : List.of("input_layernorm", "post_attention_layernorm")) {
            made.both(layer + norm + ".weight", hidden);
        }
        for (String part : List.of("q", "o")) {
            made.linear(layer + "self_attn." + part + "_proj", hidden, hidden);
        }
        for (String part : List.of("k", "v")) {
            made.linear(layer + "self_attn." + part + "_proj", hidden / 2, hidden);
        }
        for (String part : List.of("gate", "up")) {
            made.linear(layer + "mlp." + part + "_proj", intermediate, hidden);
        }
        made.linear(layer + "mlp.down_proj", hidden, intermediate);
        made.both("model.norm.weight", hidden);
        made.both("lm_head.weight", VOCABULARY, hidden);
        String config = config(hidden, intermediate);
        save(folder, config + ", \"quantization_config\": " + kind.config() + "}", made.integers);
        if (twin != null) {
            save(twin, config + "}", made.floats);
        }
    }

    private static String config(int hidden, int intermediate) {
        return "{\"model_type\": \"llama\", \"hidden_size\": " + hidden + ", \"intermediate_size\": " + intermediate
                + ", \"num_hidden_layers\": 1, \"num_attention_heads\": " + HEADS + ", \"num_key_value_heads\": "
                + HEADS / 2 + ", \"vocab_size\": " + VOCABULARY + ", \"max_position_embeddings\": 64, "
                + "\"rms_norm_eps\": 1e-6, \"tie_word_embeddings\": false, \"torch_dtype\": \"float16\"";
    }

    /** Adds an F32 tensor to both models. */
    private void both(String name, long... shape) {
        ByteBuffer bytes = buffer(Arrays.stream(shape).reduce(1, (a, b) -> a * b) * Float.BYTES);
        while (bytes.hasRemaining()) {
            bytes.putFloat((float) (shape.length == 1 ? 0.5 + random.nextDouble() : 0.2 * random.nextGaussian()));
        }
        integers.put(name, new Stored("F32", shape, bytes.array()));
        floats.put(name, integers.get(name));
    }

    private void linear(String module, int outputs, int inputs) {
        int groups = (inputs + kind.group - 1) / kind.group;
        int per = 32 / kind.bits;
        boolean awq = kind.method.equals("awq");
        int[] qweight = new int[inputs * outputs / per];
        int[] qzeros = new int[groups * outputs / per];
        short[] scales = new short[groups * outputs];
        ByteBuffer weight = buffer((long) outputs * inputs * Float.BYTES);
        for (int n = 0; n < outputs; n++) {
            for (int g = 0; g < groups; g++) {
                int zero = kind.sym ? 1 << kind.bits - 1 : 1 + random.nextInt(15);
                int stored = awq || kind.second ? zero : zero - 1;
                qzeros[(g * outputs + n) / per] |= stored << place(n, per, awq);
                float scale = (float) (0.5 + random.nextDouble()) * (kind.bits == 4 ? 0.04f : 0.0025f);
                scales[g * outputs + n] = Float.floatToFloat16(scale);
                for (int c = g * kind.group; c < Math.min(inputs, (g + 1) * kind.group); c++) {
                    int q = random.nextInt(1 << kind.bits);
                    if (awq) {
                        qweight[(c * outputs + n) / per] |= q << place(n, per, true);
                    } else {
                        qweight[c / per * outputs + n] |= q << kind.bits * (c % per);
                    }
                    weight.putFloat((q - zero) * Float.float16ToFloat(scales[g * outputs + n]));
                }
            }
        }
        integers.put(module + ".qweight", ints(qweight, awq ? new long[] {inputs, outputs / per}
                : new long[] {inputs / per, outputs}));
        integers.put(module + ".qzeros", ints(qzeros, groups, outputs / per));
        ByteBuffer halves = buffer((long) scales.length * Short.BYTES);
        halves.asShortBuffer().put(scales);
        integers.put(module + ".scales", new Stored("F16", new long[] {groups, outputs}, halves.array()));
        if (kind.method.equals("gptq") && kind.group == 32) {   // older tools also write group numbers and a zero bias
            int[] group = new int[inputs];
            Arrays.setAll(group, c -> c / kind.group);
            integers.put(module + ".g_idx", ints(group, inputs));
            integers.put(module + ".bias", new Stored("F16", new long[] {outputs}, new byte[2 * outputs]));
        }
        floats.put(module + ".weight", new Stored("F32", new long[] {outputs, inputs}, weight.array()));
    }

    /** Returns the position of an output's lowest bit in the 32-bit word that contains the output. */
    private int place(int output, int per, boolean awq) {
        int index = output % per;
        if (awq) {
            for (int i = 0; i < AWQ_ORDER.length; i++) {
                if (AWQ_ORDER[i] == output % per) {
                    index = i;
                }
            }
        }
        return index * kind.bits;
    }

    private static Stored ints(int[] values, long... shape) {
        ByteBuffer bytes = buffer((long) values.length * Integer.BYTES);
        bytes.asIntBuffer().put(values);
        return new Stored("I32", shape, bytes.array());
    }

    private static ByteBuffer buffer(long bytes) {
        return ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void save(Path folder, String config, Map<String, Stored> tensors) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), config);
        StringJoiner header = new StringJoiner(", ", "{", "}");
        List<byte[]> all = new ArrayList<>();
        long at = 0;
        for (Map.Entry<String, Stored> named : tensors.entrySet()) {
            Stored tensor = named.getValue();
            header.add("\"" + named.getKey() + "\": {\"dtype\": \"" + tensor.type + "\", \"shape\": "
                    + Arrays.toString(tensor.shape) + ", \"data_offsets\": [" + at + ", " + (at + tensor.bytes.length)
                    + "]}");
            all.add(tensor.bytes);
            at += tensor.bytes.length;
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = buffer(Long.BYTES + json.length + at).putLong(json.length).put(json);
        all.forEach(file::put);
        Files.write(folder.resolve("model.safetensors"), file.array());
    }
}
