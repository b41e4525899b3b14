package org.ingrain.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.Projection;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;

/**
 * A LoRA adapter in PEFT's format: adapter_config.json and adapter_model.safetensors. The tensor names are {@code
 * base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight} (R, C) and lora_B (N, R).
 *
 * @param modules      the adapted projections, ordered by layer and projection
 * @param savedModules parameters stored in full (modules_to_save); the key is the name in the model, such as {@code
 *                     lm_head.weight}
 */
public record PeftAdapter(AdapterConfig config, List<LoraModule> modules, Map<String, HostTensor> savedModules) {
    private static final String CONFIG = "adapter_config.json";
    private static final String WEIGHTS = "adapter_model.safetensors";
    private static final String PREFIX = "base_model.model.";

    public PeftAdapter {
        modules = List.copyOf(modules);
        savedModules = Map.copyOf(savedModules);
    }

    /**
     * Reads an adapter. Throws an InputException that names the file and the field or tensor that does not fit the
     * model.
     */
    public static PeftAdapter read(Path folder, Blueprint model) {
        Path file = folder.resolve(CONFIG);
        if (!Files.isRegularFile(file)) {
            throw new InputException(folder + ": " + (Files.isDirectory(folder)
                    ? "has no " + CONFIG + ", so it is not an adapter" : "no such folder"));
        }
        AdapterConfig config = AdapterConfigReader.read(JsonFields.read(file));
        if (!Files.exists(folder.resolve(WEIGHTS))) {
            throw new InputException(folder + ": has no " + WEIGHTS + " (other formats are not read)");
        }
        try (Safetensors tensors = Safetensors.open(folder.resolve(WEIGHTS))) {
            return Safetensors.reading(List.of(tensors), () -> read(tensors, config, model));
        }
    }

    private static PeftAdapter read(Safetensors tensors, AdapterConfig config, Blueprint model) {
        TreeSet<String> unread = new TreeSet<>(tensors.names());
        List<LoraModule> modules = modules(tensors, config, model, unread);
        Map<String, HostTensor> saved = savedModules(tensors, config, unread);
        if (!unread.isEmpty()) {
            throw new InputException(tensors.file() + ": tensor '" + unread.first() + "' belongs to no module that "
                    + CONFIG + " names");
        }
        return new PeftAdapter(config, modules, saved);
    }

    private static List<LoraModule> modules(Safetensors tensors, AdapterConfig config, Blueprint model,
            TreeSet<String> unread) {
        List<LoraModule> modules = new ArrayList<>();
        ParameterTable parameters = model.parameters();
        for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
            for (Projection projection : Projection.values()) {
                if (config.targets(layer, projection)) {
                    int rank = config.rank(layer, projection);
                    String a = name(layer, projection, "lora_A");
                    String b = name(layer, projection, "lora_B");
                    Parameter w = parameters.get(layer, projection);
                    modules.add(new LoraModule(layer, projection, rank, config.scaling(layer, projection),
                            floats(tensors, a, rank, w.columns()), floats(tensors, b, w.rows(), rank)));
                    unread.removeAll(List.of(a, b));
                }
            }
        }
        if (modules.isEmpty() && config.modulesToSave().isEmpty()) {
            throw new InputException(tensors.file().resolveSibling(CONFIG) + ": target_modules is "
                    + config.targetModules().json()
                    + ", which names no linear layer of the model");
        }
        return modules;
    }

    private static Map<String, HostTensor> savedModules(
            Safetensors tensors, AdapterConfig config, TreeSet<String> unread) {
        Map<String, HostTensor> saved = new LinkedHashMap<>();
        for (String name : List.copyOf(unread)) {
            String module = name.substring(0, Math.max(0, name.lastIndexOf('.')));
            if (name.startsWith(PREFIX) && config.modulesToSave().stream()
                    .anyMatch(module::endsWith)) {   // as in PEFT: norm also matches input_layernorm
                HostTensor tensor = tensor(tensors, name);
                MemorySegment copy = Arena.ofAuto().allocate(tensor.data().byteSize(), 64).copyFrom(tensor.data());
                saved.put(name.substring(PREFIX.length()), new HostTensor(tensor.dtype(), tensor.shape(), copy));
                unread.remove(name);
            }
        }
        return saved;
    }

    private static float[] floats(Safetensors tensors, String name, long rows, long columns) {
        TensorInfo info = tensors.info(name);
        if (!Arrays.equals(info.shape(), new long[] {rows, columns})) {
            throw new InputException(tensors.file() + ": tensor '" + name + "' has shape "
                    + Arrays.toString(info.shape()) + ", expected ["
                    + rows + ", " + columns + "]");
        }
        float[] values = new float[Math.toIntExact(rows * columns)];
        HostTensor tensor = tensor(tensors, name);
        HostFloats.read(values, tensor.data(), tensor.dtype(), 0);
        return values;
    }

    private static HostTensor tensor(Safetensors tensors, String name) {
        return HostFloats.tensor(tensors.file() + ": tensor '" + name + "'", tensors.info(name), tensors.data(name));
    }

    /**
     * Writes an adapter without saved modules into a folder. The folder is created if it does not exist. The
     * configuration is written last.
     */
    public void write(Path folder) {
        if (!savedModules.isEmpty()) {
            throw new IllegalArgumentException("modules_to_save cannot be written");
        }
        List<TensorOutput> tensors = new ArrayList<>();
        for (LoraModule m : modules) {
            tensors.add(TensorOutput.of(name(m.layer(), m.projection(), "lora_A"), m.a(), m.rank(),
                    m.a().length / m.rank()));
            tensors.add(TensorOutput.of(name(m.layer(), m.projection(), "lora_B"), m.b(), m.b().length / m.rank(),
                    m.rank()));
        }
        SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors);
        DurableFile.write(folder.resolve(CONFIG), Json.config(fields()));
    }

    private Map<String, Object> fields() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("alpha_pattern", config.alphaPattern());
        fields.put("base_model_name_or_path", config.baseModelNameOrPath());
        fields.put("bias", "none");
        fields.put("exclude_modules", config.excludeModules().map(TargetModules::json).orElse(null));
        fields.put("fan_in_fan_out", false);
        fields.put("inference_mode", true);
        fields.put("init_lora_weights", true);
        fields.put("layers_to_transform", config.layersToTransform().isEmpty() ? null : config.layersToTransform());
        fields.put("lora_alpha", config.loraAlpha());
        fields.put("lora_dropout", config.loraDropout());
        fields.put("modules_to_save", null);
        fields.put("peft_type", "LORA");
        fields.put("r", config.r());
        fields.put("rank_pattern", config.rankPattern());
        fields.put("target_modules", config.targetModules().json());
        fields.put("task_type", "CAUSAL_LM");
        fields.put("use_dora", false);
        fields.put("use_rslora", config.useRslora());
        return fields;
    }

    private static String name(int layer, Projection projection, String part) {
        return PREFIX + projection.module(layer) + "." + part + ".weight";
    }
}
