package org.ingrain.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Weight;

/**
 * How the linear layers of a model folder are quantized. The settings are in quantization_config of config.json or, in
 * folders of older GPTQ tools, in the file quantize_config.json.
 *
 * @param method     algorithm, which determines the layout of the tensors
 * @param format     row-major format of the elements
 * @param zeroOffset number that is added to a stored zero point: 1 for GPTQ's first format, otherwise 0
 */
record Quantization(Method method, Weight.Format format, int zeroOffset) {
    private static final String OLD_FILE = "quantize_config.json";
    private static final List<Integer> GROUPS = List.of(32, 64, 128);

    enum Method {
        GPTQ, AWQ;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Reads the settings of a folder; empty if its weights are floats.
     *
     * @throws InputException if the weights are quantized in a way that is not supported; the message names the field
     */
    static Optional<Quantization> read(Path folder) {
        JsonFields config = JsonFields.read(folder.resolve("config.json"));
        if (config.has("compression_config")) {
            throw new InputException(config.where() + ": compression_config is given, expected float weights, or a "
                    + "quantization_config of gptq or awq");
        }
        if (config.has("quantization_config")) {
            JsonFields fields = config.object("quantization_config");
            return Optional.of(of(fields, fields.text("quant_method")));
        }
        if (Files.isRegularFile(folder.resolve(OLD_FILE))) {
            JsonFields fields = JsonFields.read(folder.resolve(OLD_FILE));
            return Optional.of(of(fields, fields.text("quant_method", Method.GPTQ.toString())));
        }
        return Optional.empty();
    }

    private static Quantization of(JsonFields fields, String method) {
        return switch (method) {
            case "gptq" -> gptq(fields);
            case "awq" -> awq(fields);
            default -> throw refused(fields, "quant_method", method, "gptq or awq");
        };
    }

    private static Quantization gptq(JsonFields fields) {
        int bits = fields.integer("bits");
        require(bits == 4 || bits == 8, fields, "bits", bits, "4 or 8");
        require(!fields.flag("desc_act", false), fields, "desc_act", true, "false: columns in order");
        require(!fields.flag("lm_head", false), fields, "lm_head", true, "false: a head that is not quantized");
        require(!fields.has("dynamic") || fields.object("dynamic").names().isEmpty(), fields, "dynamic", "given",
                "the same settings for all linear layers");
        String version = fields.text("checkpoint_format", fields.text("format", "gptq")).toLowerCase(Locale.ROOT);
        require(List.of("gptq", "gptq_v2").contains(version), fields, "checkpoint_format", version, "gptq or gptq_v2");
        boolean sym = fields.flag("sym", true);
        require(sym || bits == 4, fields, "sym", false, "true for 8 bits");
        return new Quantization(Method.GPTQ, new Weight.Format(bits == 4 ? DType.INT4 : DType.INT8,
                Weight.Layout.ROW_MAJOR, group(fields), !sym), version.equals("gptq") ? 1 : 0);
    }

    private static Quantization awq(JsonFields fields) {
        int bits = fields.integer("bits");
        require(bits == 4, fields, "bits", bits, "4");
        require(fields.flag("zero_point", true), fields, "zero_point", false, "true");
        String version = fields.text("version", fields.text("format", "gemm")).toLowerCase(Locale.ROOT);
        require(version.equals("gemm"), fields, "version", version, "gemm");
        return new Quantization(Method.AWQ, new Weight.Format(DType.INT4, Weight.Layout.ROW_MAJOR, group(fields), true),
                0);
    }

    private static int group(JsonFields fields) {
        int group = fields.integer("group_size", GROUPS.getLast());
        require(GROUPS.contains(group), fields, "group_size", group, "32, 64 or 128");
        return group;
    }

    private static void require(boolean holds, JsonFields fields, String field, Object found, String expected) {
        if (!holds) {
            throw refused(fields, field, found, expected);
        }
    }

    private static InputException refused(JsonFields fields, String field, Object found, String expected) {
        return new InputException(fields.where() + ": " + field + " is " + found + ", expected " + expected);
    }
}
