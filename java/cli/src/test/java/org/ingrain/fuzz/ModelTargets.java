package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.checkpoint.QuantizedFolders;
import org.ingrain.checkpoint.QuantizedFolders.Kind;
import org.ingrain.checkpoint.Safetensors;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.cli.TinyModelFolder;
import org.ingrain.ffi.ElfFile;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Parameter;
import org.ingrain.model.QuantizedMatrix;
import org.ingrain.model.QuantizedRows;
import org.ingrain.tokenizer.SpecialTokens;

/** Files of a model and of an adapter, and kernels. */
final class ModelTargets {
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
             "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 16,
             "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
             "tie_word_embeddings": true, "bos_token_id": 0, "eos_token_id": [1, 2], "torch_dtype": "float32",
             "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 32}}
            """;
    private static final String ADAPTER = """
            {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "bias": "none",
             "target_modules": ["q_proj", "down_proj"], "rank_pattern": {"down_proj": 1}, "alpha_pattern": {"q_proj": 8},
             "modules_to_save": ["norm"], "use_rslora": false, "layers_to_transform": [0], "exclude_modules": null}
            """;
    private static final String LAYER = "base_model.model.model.layers.0.";

    static final List<Targets.Entry> ALL = List.of(
            new Targets.Entry("safetensors", ModelTargets::safetensors),
            new Targets.Entry("weights", ModelTargets::weights), new Targets.Entry("index", ModelTargets::index),
            new Targets.Entry("config", ModelTargets::config),
            new Targets.Entry("quantized-weights", ModelTargets::quantizedWeights),
            new Targets.Entry("quantization-config", ModelTargets::quantizationConfig),
            new Targets.Entry("generation-config", ModelTargets::generationConfig),
            new Targets.Entry("adapter-config", ModelTargets::adapterConfig),
            new Targets.Entry("adapter-weights", ModelTargets::adapterWeights),
            new Targets.Entry("elf", ModelTargets::elf));

    private ModelTargets() {
    }

    private static Target safetensors(String name, Path folder) throws IOException {
        Path file = folder.resolve("model.safetensors");
        List<byte[]> seeds = List.of(weightsFile(folder), adapterFile(folder));
        return Target.ofFile(name, Format.SAFETENSORS, seeds, file, content -> {
            try (Safetensors tensors = Safetensors.open(file)) {
                tensors.names().forEach(tensor -> tensors.data(tensor).byteSize());
            }
        });
    }

    private static Target weights(String name, Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), CONFIG);
        Path file = folder.resolve("model.safetensors");
        return Target.ofFile(name, Format.SAFETENSORS, List.of(weightsFile(folder)), file, content -> open(folder));
    }

    private static Target index(String name, Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), CONFIG);
        Files.write(folder.resolve("a.safetensors"), weightsFile(folder));
        Files.write(folder.resolve("b.safetensors"), adapterFile(folder));
        byte[] seed = """
                {"metadata": {"total_size": 1}, "weight_map": {"model.embed_tokens.weight": "a.safetensors",
                 "model.norm.weight": "a.safetensors", "%sself_attn.q_proj.lora_A.weight": "b.safetensors"}}
                """.formatted(LAYER).getBytes(UTF_8);
        Path file = folder.resolve("model.safetensors.index.json");
        return Target.ofFile(name, Format.JSON, List.of(seed), file, content -> open(folder));
    }

    private static Target config(String name, Path folder) throws IOException {
        List<byte[]> seeds = new ArrayList<>(List.of(CONFIG.getBytes(UTF_8), TinyModelFolder.config().getBytes(UTF_8)));
        try (Stream<Path> shapes = Files.list(Path.of(System.getProperty("ingrain.root"), "models"))) {
            for (Path shape : shapes.filter(path -> path.toString().endsWith(".json")).sorted().toList()) {
                seeds.add(Files.readAllBytes(shape));
            }
        }
        Path file = folder.resolve("config.json");
        return Target.ofFile(name, Format.JSON, seeds, file, content -> {
            Blueprint blueprint = BlueprintReader.read(file);
            if (blueprint.numHiddenLayers() < 1000) {
                blueprint.parameters();
            }
        });
    }

    private static Target quantizedWeights(String name, Path folder) throws IOException {
        QuantizedFolders.write(new Kind("gptq", 4, 32, false, false), folder, null, 64, 32);
        Path file = folder.resolve("model.safetensors");
        return Target.ofFile(name, Format.SAFETENSORS, List.of(Files.readAllBytes(file)), file,
                content -> readIntegers(folder));
    }

    private static Target quantizationConfig(String name, Path folder) throws IOException {
        QuantizedFolders.write(new Kind("gptq", 4, 32, false, false), folder, null, 64, 32);
        Path file = folder.resolve("config.json");
        return Target.ofFile(name, Format.JSON, List.of(Files.readAllBytes(file)), file,
                content -> readIntegers(folder));
    }

    /** Opens a quantized folder and reads all its linear layers. */
    private static void readIntegers(Path model) {
        try (ModelFolder opened = ModelFolder.open(model); Arena arena = Arena.ofShared()) {
            if (opened.config().numHiddenLayers() > 10) {
                return;
            }
            for (Parameter p : opened.config().parameters().all()) {
                try (QuantizedMatrix matrix = p.matrix() ? opened.quantized(p) : null) {
                    if (matrix != null) {
                        MemorySegment memory = arena.allocate(4 * p.elements() + 4096, 64);
                        matrix.read(QuantizedRows.in(memory, matrix.format(), p.rows(), p.columns()), 0, 0);
                    }
                }
            }
        }
    }

    private static Target generationConfig(String name, Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), CONFIG);
        byte[] seed = "{\"bos_token_id\": 0, \"eos_token_id\": [1, 2], \"pad_token_id\": -1, \"do_sample\": true}"
                .getBytes(UTF_8);
        return Target.ofFile(name, Format.JSON, List.of(seed), folder.resolve("generation_config.json"),
                content -> SpecialTokens.read(folder));
    }

    private static Target adapterConfig(String name, Path folder) throws IOException {
        Blueprint model = blueprint(folder);
        Files.write(folder.resolve("adapter_model.safetensors"), adapterFile(folder));
        byte[] regex = ADAPTER.replace("[\"q_proj\", \"down_proj\"]", "\".*q_proj|.*down_proj\"")
                .replace("[0]", "null").getBytes(UTF_8);
        return Target.ofFile(name, Format.JSON, List.of(ADAPTER.getBytes(UTF_8), regex),
                folder.resolve("adapter_config.json"), content -> PeftAdapter.read(folder, model));
    }

    private static Target adapterWeights(String name, Path folder) throws IOException {
        Blueprint model = blueprint(folder);
        Files.writeString(folder.resolve("adapter_config.json"), ADAPTER);
        return Target.ofFile(name, Format.SAFETENSORS, List.of(adapterFile(folder)),
                folder.resolve("adapter_model.safetensors"), content -> PeftAdapter.read(folder, model));
    }

    private static Target elf(String name, Path folder) throws IOException {
        Path file = folder.resolve("kernel.so");
        return Target.ofFile(name, Format.BYTES, List.of(elfFile()), file, content ->
                ElfFile.requireWhole(file, file));
    }

    /** Opens a model folder and every tensor that the model uses. */
    private static void open(Path model) {
        try (ModelFolder opened = ModelFolder.open(model)) {
            opened.names().forEach(opened::tensor);
        }
    }

    private static Blueprint blueprint(Path folder) throws IOException {
        return BlueprintReader.read(Files.writeString(folder.resolve("config.json"), CONFIG));
    }

    private static byte[] weightsFile(Path folder) throws IOException {
        return written(folder, tensor("model.embed_tokens.weight", 16, 8), tensor("model.norm.weight", 8),
                tensor("lm_head.weight", 16, 8));
    }

    private static byte[] adapterFile(Path folder) throws IOException {
        return written(folder, tensor(LAYER + "self_attn.q_proj.lora_A.weight", 2, 8),
                tensor(LAYER + "self_attn.q_proj.lora_B.weight", 8, 2),
                tensor(LAYER + "mlp.down_proj.lora_A.weight", 1, 8),
                tensor(LAYER + "mlp.down_proj.lora_B.weight", 8, 1), tensor("base_model.model.model.norm.weight", 8));
    }

    private static byte[] written(Path folder, TensorOutput... tensors) throws IOException {
        Path file = folder.resolve("seed");
        SafetensorsWriter.write(file, List.of(tensors));
        byte[] content = Files.readAllBytes(file);
        Files.delete(file);
        return content;
    }

    private static TensorOutput tensor(String name, long... shape) {
        int elements = 1;
        for (long size : shape) {
            elements *= Math.toIntExact(size);
        }
        return TensorOutput.of(name, new float[elements], shape);
    }

    /**
     * The headers of a shared library with one segment and two sections; the code in this library is 16 bytes of zeros.
     */
    static byte[] elfFile() {
        ByteBuffer elf = ByteBuffer.allocate(64 + 56 + 2 * 64 + 16).order(ByteOrder.LITTLE_ENDIAN);
        elf.putInt(0x464c457f).put((byte) 2).put((byte) 1).put((byte) 1).position(16);
        elf.putShort((short) 3).putShort((short) 62).putInt(1).putLong(0).putLong(64).putLong(120).putInt(0);
        elf.putShort((short) 64).putShort((short) 56).putShort((short) 1).putShort((short) 64).putShort((short) 2)
                .putShort((short) 0);
        elf.putInt(1).putInt(5).putLong(248).putLong(0).putLong(0).putLong(16).putLong(16).putLong(8);
        elf.position(120 + 64);
        elf.putInt(0).putInt(1).putLong(0).putLong(0).putLong(248).putLong(16);
        return elf.array();
    }
}
