package org.ingrain.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Adapter;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Group;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.ParameterTable.Site;
import org.ingrain.model.Projection;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;

/**
 * A LoRA adapter in PEFT's format: adapter_config.json and adapter_model.safetensors. The tensor names are {@code
 * base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight} (R, C) and lora_B (N, R); if lora_bias is true, there
 * is also lora_B.bias (N). The tensors of the embedding are named lora_embedding_A (R, V) and lora_embedding_B (D, R).
 * If the embedding or the output head is adapted, PEFT also stores the weight of the base layer. This class reads that
 * weight as one of the saved modules.
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
     * Reads an adapter. If a field or tensor does not fit the model, throws an InputException that names the file and
     * the field or tensor.
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
        saved.putAll(baseLayers(tensors, model, unread));
        if (!unread.isEmpty()) {
            throw new InputException(tensors.file() + ": tensor '" + unread.first() + "' belongs to no module that "
                    + CONFIG + " names");
        }
        return new PeftAdapter(config, modules, saved);
    }

    /**
     * Returns the changes that the adapter makes to its base model. Saved parameters that equal those of the base are
     * omitted, for example base layers that PEFT stores unchanged.
     *
     * @throws InputException if the base has no parameter with the name of a saved parameter, or if the two parameters
     *         have different shapes
     */
    public Adapter changes(ModelFolder base) {
        Map<String, HostTensor> changed = new HashMap<>();
        savedModules.forEach((name, saved) -> {
            boolean tiedHead = name.equals(Projection.LM_HEAD.weightName(Group.MODEL)) && !base.has(name);
            HostTensor old = base.tensor(tiedHead ? Projection.EMBED_TOKENS.weightName(Group.MODEL) : name);
            if (!Arrays.equals(old.shape(), saved.shape())) {
                throw new InputException("adapter: '" + name + "' of modules_to_save has shape "
                        + Arrays.toString(saved.shape()) + ", expected " + Arrays.toString(old.shape()));
            }
            if (old.dtype() != saved.dtype() || old.data().mismatch(saved.data()) >= 0) {
                changed.put(name, saved);
            }
        });
        return new Adapter(modules, changed);
    }

    /**
     * Runs {@code match}, which uses regular expressions of the configuration. If {@code match} throws an
     * InputException, the path of the configuration file is added to the message.
     */
    private static <T> T matching(Safetensors tensors, Supplier<T> match) {
        try {
            return match.get();
        } catch (InputException e) {
            throw new InputException(tensors.file().resolveSibling(CONFIG) + ": " + e.getMessage(), e);
        }
    }

    private static List<LoraModule> modules(Safetensors tensors, AdapterConfig config, Blueprint model,
            TreeSet<String> unread) {
        List<LoraModule> modules = new ArrayList<>();
        ParameterTable parameters = model.parameters();
        for (Site site : parameters.adaptable()) {
            int layer = site.layer();
            Projection projection = site.projection();
            if (!matching(tensors, () -> config.targets(layer, projection))) {
                continue;
            }
            if (config.loraBias() && projection == Projection.EMBED_TOKENS) {
                throw new InputException(tensors.file().resolveSibling(CONFIG)
                        + ": lora_bias is set, which is not supported for embed_tokens");
            }
            int rank = matching(tensors, () -> config.rank(layer, projection));
            float scaling = matching(tensors, () -> config.scaling(layer, projection));
            Parameter w = parameters.get(site);
            String a = name(layer, projection, Part.A);
            String b = name(layer, projection, Part.B);
            String bias = name(layer, projection, Part.BIAS);
            modules.add(new LoraModule(layer, projection, rank, scaling,
                    floats(tensors, a, rank, projection.inputs(w)), floats(tensors, b, projection.outputs(w), rank),
                    config.loraBias() ? floats(tensors, bias, w.rows()) : null));
            unread.removeAll(config.loraBias() ? List.of(a, b, bias) : List.of(a, b));
        }
        if (modules.isEmpty() && config.modulesToSave().isEmpty()) {
            throw new InputException(tensors.file().resolveSibling(CONFIG) + ": target_modules is "
                    + config.targetModules().json()
                    + ", which names no module of the model that can be adapted");
        }
        return modules;
    }

    private static Map<String, HostTensor> savedModules(
            Safetensors tensors, AdapterConfig config, TreeSet<String> unread) {
        Map<String, HostTensor> saved = new LinkedHashMap<>();
        for (String name : List.copyOf(unread)) {
            String module = name.substring(0, Math.max(0, name.lastIndexOf('.')));
            if (name.startsWith(PREFIX) && config.modulesToSave().stream()
                    .anyMatch(module::endsWith)) {   // as in PEFT, norm also matches input_layernorm
                saved.put(name.substring(PREFIX.length()), copy(tensors, name));
                unread.remove(name);
            }
        }
        return saved;
    }

    /**
     * The weights of base layers that PEFT stores if the embedding or the output head is adapted. If embedding and head
     * are tied and only one of the two weights is stored, the result has this weight under both names.
     */
    private static Map<String, HostTensor> baseLayers(Safetensors tensors, Blueprint model, TreeSet<String> unread) {
        Map<String, HostTensor> saved = new LinkedHashMap<>();
        for (Projection table : List.of(Projection.EMBED_TOKENS, Projection.LM_HEAD)) {
            String name = PREFIX + table.module(Group.MODEL) + ".base_layer.weight";
            if (unread.remove(name)) {
                saved.put(table.weightName(Group.MODEL), copy(tensors, name));
            }
        }
        if (model.tieWordEmbeddings() && saved.size() == 1) {
            HostTensor both = saved.values().iterator().next();
            saved.put(Projection.EMBED_TOKENS.weightName(Group.MODEL), both);
            saved.put(Projection.LM_HEAD.weightName(Group.MODEL), both);
        }
        return saved;
    }

    private static HostTensor copy(Safetensors tensors, String name) {
        HostTensor tensor = tensor(tensors, name);
        MemorySegment copy = Arena.ofAuto().allocate(tensor.data().byteSize(), 64).copyFrom(tensor.data());
        return new HostTensor(tensor.dtype(), tensor.shape(), copy);
    }

    private static float[] floats(Safetensors tensors, String name, long... shape) {
        TensorInfo info = tensors.info(name);
        if (!Arrays.equals(info.shape(), shape)) {
            throw new InputException(tensors.file() + ": tensor '" + name + "' has shape "
                    + Arrays.toString(info.shape()) + ", expected " + Arrays.toString(shape));
        }
        float[] values = new float[Math.toIntExact(LongStream.of(shape).reduce(1, Math::multiplyExact))];
        HostTensor tensor = tensor(tensors, name);
        HostFloats.read(values, tensor.data(), tensor.dtype(), 0);
        return values;
    }

    private static HostTensor tensor(Safetensors tensors, String name) {
        return HostFloats.tensor(tensors, name);
    }

    /**
     * Writes an adapter without saved modules into a folder. The folder is created if it does not exist. The
     * configuration file is written last.
     */
    public void write(Path folder) {
        if (!savedModules.isEmpty()) {
            throw new IllegalArgumentException("modules_to_save cannot be written");
        }
        List<TensorOutput> tensors = new ArrayList<>();
        for (LoraModule m : modules) {
            tensors.add(TensorOutput.of(name(m.layer(), m.projection(), Part.A), m.a(), m.rank(),
                    m.a().length / m.rank()));
            tensors.add(TensorOutput.of(name(m.layer(), m.projection(), Part.B), m.b(), m.b().length / m.rank(),
                    m.rank()));
            if (m.bias() != null) {
                tensors.add(TensorOutput.of(name(m.layer(), m.projection(), Part.BIAS), m.bias(), m.bias().length));
            }
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
        fields.put("lora_bias", config.loraBias());
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

    private enum Part { A, B, BIAS }

    private static String name(int layer, Projection projection, Part part) {
        return PREFIX + projection.module(layer) + "." + switch (part) {
            case A -> projection == Projection.EMBED_TOKENS ? "lora_embedding_A" : "lora_A.weight";
            case B -> projection == Projection.EMBED_TOKENS ? "lora_embedding_B" : "lora_B.weight";
            case BIAS -> "lora_B.bias";
        };
    }
}
