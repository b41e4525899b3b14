package org.ingrain.checkpoint;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import org.ingrain.files.BoundedRegex;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads adapter_config.json. If a setting is not supported, throws an InputException that names the setting. */
final class AdapterConfigReader {
    private static final Set<String> READ = Set.of(
            "peft_type", "bias", "init_lora_weights", "layers_pattern", "base_model_name_or_path", "r", "lora_alpha",
            "lora_dropout", "target_modules", "exclude_modules", "use_rslora", "rank_pattern", "alpha_pattern",
            "layers_to_transform", "modules_to_save", "lora_bias");
    // Fields that are ignored, because they do not affect the results of a trained adapter.
    private static final Set<String> NEUTRAL = Set.of("task_type", "inference_mode", "peft_version", "revision",
            "auto_mapping", "parent_library", "megatron_core", "qalora_group_size", "eva_config", "runtime_config");
    // Initialisations that do not modify the base model. Other initialisations, such as pissa, olora, corda and loftq,
    // modify the base model.
    private static final Set<String> INITS = Set.of("true", "false", "gaussian", "orthogonal", "eva");

    private final JsonFields fields;

    private AdapterConfigReader(JsonFields fields) {
        this.fields = fields;
    }

    static AdapterConfig read(JsonFields fields) {
        try {
            return new AdapterConfigReader(fields).config();
        } catch (InputException refused) {
            throw refused.getMessage().startsWith(fields.where()) ? refused
                    : new InputException(fields.where() + ": " + refused.getMessage());
        }
    }

    private AdapterConfig config() {
        expect("peft_type", fields.text("peft_type"), Set.of("LORA"));
        expect("bias", fields.text("bias", "none"), Set.of("none"));
        expect("layers_pattern", fields.has("layers_pattern") ? word(fields.node("layers_pattern")) : "[]",
                Set.of("layers", "[layers]", "[]"));
        expect("init_lora_weights", fields.has("init_lora_weights")
                ? word(fields.node("init_lora_weights")).toLowerCase(Locale.ROOT) : "true", INITS);
        for (String field : fields.names()) {
            if (!READ.contains(field) && !NEUTRAL.contains(field) && isSet(field)) {
                throw new InputException(field + " is set, which is not supported");
            }
        }
        TargetModules targets = TargetModules.read(fields, "target_modules")
                .orElseThrow(() -> new InputException("target_modules is missing"));
        List<Integer> layers = fields.has("layers_to_transform") ? fields.integers("layers_to_transform") : List.of();
        if (!layers.isEmpty() && targets instanceof TargetModules.Expression) {
            throw new InputException("layers_to_transform is set, but target_modules is '" + targets.json()
                    + "', expected a list of modules");
        }
        return new AdapterConfig(fields.text("base_model_name_or_path", ""), fields.integer("r"),
                fields.number("lora_alpha"), fields.number("lora_dropout", 0), targets,
                TargetModules.read(fields, "exclude_modules"), fields.flag("use_rslora", false),
                patterns("rank_pattern", JsonFields::integer), patterns("alpha_pattern", JsonFields::number), layers,
                fields.has("modules_to_save") ? fields.texts("modules_to_save") : List.of(),
                fields.flag("lora_bias", false));
    }

    private <T> Map<String, T> patterns(String field, BiFunction<JsonFields, String, T> value) {
        Map<String, T> patterns = new LinkedHashMap<>();
        if (fields.has(field)) {
            JsonFields object = fields.object(field);
            for (String regex : object.names()) {
                BoundedRegex.compile(field, regex);
                patterns.put(regex, value.apply(object, regex));
            }
        }
        return patterns;
    }

    private boolean isSet(String field) {
        if (!fields.has(field)) {
            return false;
        }
        JsonNode value = fields.node(field);
        return value.isContainer() ? !value.isEmpty() : !value.isBoolean() || value.booleanValue();
    }

    private static String word(JsonNode value) {
        return value.toString().replace("\"", "");
    }

    private static void expect(String field, String found, Set<String> expected) {
        if (!expected.contains(found)) {
            throw new InputException(field + " is " + found + ", expected "
                    + String.join(" or ", expected.stream().sorted().toList()));
        }
    }
}
