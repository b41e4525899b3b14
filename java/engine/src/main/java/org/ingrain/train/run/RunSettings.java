package org.ingrain.train.run;

import java.util.LinkedHashSet;
import java.util.Set;
import org.ingrain.tensor.InputException;
import org.ingrain.train.pass.LoraConfig;
import tools.jackson.core.util.DefaultIndenter;
import tools.jackson.core.util.DefaultPrettyPrinter;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Everything a run's files depend on, as run.json has it, under the names of the flags. */
public final class RunSettings {
    static final int FORMAT = 1;
    private static final JsonMapper MAPPER = JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.KEBAB_CASE)
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY).build();

    private final JsonNode settings;

    private RunSettings(JsonNode settings) {
        this.settings = settings;
    }

    /**
     * @param trained what is trained and from where: lora, full or fresh
     * @param lora    null unless that is trained
     */
    public static RunSettings of(TrainingRun run, String trained, LoraConfig lora) {
        ObjectNode node = MAPPER.createObjectNode();
        node.put("format", FORMAT);
        node.set("provenance", MAPPER.valueToTree(run.provenance()));
        node.put("data", run.data().fingerprint());
        node.put("packing", run.data().packTo());
        node.put("trained", trained);
        if (lora != null) {
            node.set("lora", MAPPER.valueToTree(lora));
        }
        node.set("optimizer", MAPPER.valueToTree(run.optimizer()));
        node.set("train", MAPPER.valueToTree(run.train()));
        return new RunSettings(MAPPER.readTree(MAPPER.writeValueAsString(node)));
    }

    static RunSettings parse(String where, String text) {
        return new RunSettings(RunJson.parse(where, text));
    }

    String text() {
        DefaultIndenter indent = new DefaultIndenter("  ", "\n");
        return MAPPER.writer().with(new DefaultPrettyPrinter().withObjectIndenter(indent)).writeValueAsString(settings) + "\n";
    }

    /** Refuses a folder made with settings other than these, by the first that differs. */
    void requireSame(String folder, RunSettings made) {
        requireSame(folder, "", settings, made.settings);
    }

    private static void requireSame(String folder, String name, JsonNode now, JsonNode made) {
        if (now instanceof ObjectNode && made instanceof ObjectNode) {
            Set<String> names = new LinkedHashSet<>(now.propertyNames());
            names.addAll(made.propertyNames());
            names.forEach(inner -> requireSame(folder, inner, now.path(inner), made.path(inner)));
        } else if (!now.equals(made)) {
            throw new InputException(folder + ": was made with " + name + " " + text(made) + ", now it is " + text(now)
                    + "; take the same settings or another folder");
        }
    }

    private static String text(JsonNode node) {
        return node.isMissingNode() ? "none" : node.toString();
    }
}
