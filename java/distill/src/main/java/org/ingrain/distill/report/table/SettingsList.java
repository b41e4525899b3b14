package org.ingrain.distill.report.table;

import java.util.LinkedHashMap;
import java.util.Map;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Converts a manifest's notes and settings to a flat map. The keys are paths such as {@code train.lora.rank}. The map
 * omits the steps of the methods, because reports show the prompts separately.
 */
public final class SettingsList {
    private SettingsList() {
    }

    public static Map<String, String> of(Manifest manifest) {
        Map<String, String> flat = new LinkedHashMap<>();
        flatten("", manifest.notes(), flat);
        flatten("", manifest.settings(), flat);
        flat.keySet().removeIf(name -> name.startsWith("method.steps") || name.startsWith("direct.")
                || name.matches("evaluate\\.baselines\\[\\d+]\\.steps.*"));
        return flat;
    }

    private static void flatten(String path, JsonNode node, Map<String, String> flat) {
        if (node instanceof ObjectNode object) {
            object.propertyNames()
                    .forEach(name -> flatten(path.isEmpty() ? name : path + "." + name, object.get(name), flat));
        } else if (node.isArray() && node.size() > 0 && node.get(0).isObject()) {
            for (int i = 0; i < node.size(); i++) {
                flatten(path + "[" + i + "]", node.get(i), flat);
            }
        } else {
            flat.put(path, node.isString() ? node.asString() : Json.line(node));
        }
    }
}
