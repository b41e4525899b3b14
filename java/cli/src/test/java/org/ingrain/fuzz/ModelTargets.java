package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
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
import org.ingrain.checkpoint.Safetensors;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.cli.TinyModelFolder;
import org.ingrain.ffi.ElfFile;
import org.ingrain.model.Blueprint;
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

    private final Path folder;

    private ModelTargets(Path folder) {
        this.folder = folder;
    }

    static List<Target> all(Path folder) throws IOException {
        ModelTargets targets = new ModelTargets(folder);
        return List.of(targets.safetensors(), targets.weights(), targets.index(), targets.config(),
                targets.generationConfig(), targets.adapterConfig(), targets.adapterWeights(), targets.elf());
    }

    private Path make(String name) throws IOException {
        return Files.createDirectories(folder.resolve(name));
    }

    private Target safetensors() throws IOException {
        Path file = make("safetensors").resolve("model.safetensors");
        List<byte[]> seeds = List.of(weightsFile(), adapterFile());
        return Target.ofFile("safetensors", Format.SAFETENSORS, seeds, file, content -> {
            try (Safetensors tensors = Safetensors.open(file)) {
                tensors.names().forEach(name -> tensors.data(name).byteSize());
            }
        });
    }

    private Target weights() throws IOException {
        Path model = make("weights");
        Files.writeString(model.resolve("config.json"), CONFIG);
        Path file = model.resolve("model.safetensors");
        return Target.ofFile("weights", Format.SAFETENSORS, List.of(weightsFile()), file, content -> open(model));
    }

    private Target index() throws IOException {
        Path model = make("index");
        Files.writeString(model.resolve("config.json"), CONFIG);
        Files.write(model.resolve("a.safetensors"), weightsFile());
        Files.write(model.resolve("b.safetensors"), adapterFile());
        byte[] seed = """
                {"metadata": {"total_size": 1}, "weight_map": {"model.embed_tokens.weight": "a.safetensors",
                 "model.norm.weight": "a.safetensors", "%sself_attn.q_proj.lora_A.weight": "b.safetensors"}}
                """.formatted(LAYER).getBytes(UTF_8);
        Path file = model.resolve("model.safetensors.index.json");
        return Target.ofFile("index", Format.JSON, List.of(seed), file, content -> open(model));
    }

    private Target config() throws IOException {
        Path model = make("config");
        List<byte[]> seeds = new ArrayList<>(List.of(CONFIG.getBytes(UTF_8), TinyModelFolder.config().getBytes(UTF_8)));
        try (Stream<Path> shapes = Files.list(Path.of(System.getProperty("ingrain.root"), "models"))) {
            for (Path shape : shapes.filter(path -> path.toString().endsWith(".json")).sorted().toList()) {
                seeds.add(Files.readAllBytes(shape));
            }
        }
        Path file = model.resolve("config.json");
        return Target.ofFile("config", Format.JSON, seeds, file, content -> {
            Blueprint blueprint = BlueprintReader.read(file);
            if (blueprint.numHiddenLayers() < 1000) {
                blueprint.parameters();
            }
        });
    }

    private Target generationConfig() throws IOException {
        Path model = make("generation_config");
        Files.writeString(model.resolve("config.json"), CONFIG);
        byte[] seed = "{\"bos_token_id\": 0, \"eos_token_id\": [1, 2], \"pad_token_id\": -1, \"do_sample\": true}"
                .getBytes(UTF_8);
        return Target.ofFile("generation-config", Format.JSON, List.of(seed), model.resolve("generation_config.json"),
                content -> SpecialTokens.read(model));
    }

    private Target adapterConfig() throws IOException {
        Path adapter = make("adapter_config");
        Blueprint model = blueprint();
        Files.write(adapter.resolve("adapter_model.safetensors"), adapterFile());
        byte[] regex = ADAPTER.replace("[\"q_proj\", \"down_proj\"]", "\".*q_proj|.*down_proj\"")
                .replace("[0]", "null").getBytes(UTF_8);
        return Target.ofFile("adapter-config", Format.JSON, List.of(ADAPTER.getBytes(UTF_8), regex),
                adapter.resolve("adapter_config.json"), content -> PeftAdapter.read(adapter, model));
    }

    private Target adapterWeights() throws IOException {
        Path adapter = make("adapter_weights");
        Blueprint model = blueprint();
        Files.writeString(adapter.resolve("adapter_config.json"), ADAPTER);
        return Target.ofFile("adapter-weights", Format.SAFETENSORS, List.of(adapterFile()),
                adapter.resolve("adapter_model.safetensors"), content -> PeftAdapter.read(adapter, model));
    }

    private Target elf() throws IOException {
        Path file = make("elf").resolve("kernel.so");
        return Target.ofFile("elf", Format.BYTES, List.of(elfFile()), file, content ->
                ElfFile.requireWhole(file, file));
    }

    /** Opens a model folder and every tensor that the model uses. */
    private static void open(Path model) {
        try (ModelFolder opened = ModelFolder.open(model)) {
            opened.names().forEach(opened::tensor);
        }
    }

    private Blueprint blueprint() throws IOException {
        Path file = make("blueprint").resolve("config.json");
        return BlueprintReader.read(Files.writeString(file, CONFIG));
    }

    private byte[] weightsFile() throws IOException {
        return written(tensor("model.embed_tokens.weight", 16, 8), tensor("model.norm.weight", 8),
                tensor("lm_head.weight", 16, 8));
    }

    private byte[] adapterFile() throws IOException {
        return written(tensor(LAYER + "self_attn.q_proj.lora_A.weight", 2, 8),
                tensor(LAYER + "self_attn.q_proj.lora_B.weight", 8, 2),
                tensor(LAYER + "mlp.down_proj.lora_A.weight", 1, 8),
                tensor(LAYER + "mlp.down_proj.lora_B.weight", 8, 1), tensor("base_model.model.model.norm.weight", 8));
    }

    private byte[] written(TensorOutput... tensors) throws IOException {
        Path file = make("seeds").resolve("seed.safetensors");
        SafetensorsWriter.write(file, List.of(tensors));
        return Files.readAllBytes(file);
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
