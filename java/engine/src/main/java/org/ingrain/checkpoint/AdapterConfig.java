package org.ingrain.checkpoint;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.ingrain.model.Projection;
import org.ingrain.tensor.Require;

/**
 * PEFT's adapter_config.json of a LoRA.
 *
 * @param baseModelNameOrPath what it was trained on; perhaps empty
 * @param r                   rank where rank_pattern names no other
 * @param loraAlpha           alpha where alpha_pattern names no other
 * @param loraDropout         of training, from 0 to below 1
 * @param targetModules       adapted modules
 * @param excludeModules      modules of them that are not
 * @param useRslora           scaling alpha / √r instead of alpha / r (arXiv:2312.03732)
 * @param rankPattern         rank by expression that a module's path ends with
 * @param alphaPattern        alpha by such an expression
 * @param layersToTransform   adapted layers; empty for all
 * @param modulesToSave       modules that are stored whole beside the adapters
 */
public record AdapterConfig(String baseModelNameOrPath, int r, double loraAlpha, double loraDropout,
        TargetModules targetModules, Optional<TargetModules> excludeModules, boolean useRslora,
        Map<String, Integer> rankPattern, Map<String, Double> alphaPattern, List<Integer> layersToTransform,
        List<String> modulesToSave) {
    public AdapterConfig {
        // The first expression that matches counts, so their order is kept.
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
        layersToTransform = List.copyOf(layersToTransform);
        modulesToSave = List.copyOf(modulesToSave);
        Require.that(r > 0 && rankPattern.values().stream().allMatch(rank -> rank > 0), "r", r,
                "a positive number, in rank_pattern too");
        Require.that(loraAlpha > 0 && Double.isFinite(loraAlpha), "lora_alpha", loraAlpha, "a positive number");
        Require.that(loraDropout >= 0 && loraDropout < 1, "lora_dropout", loraDropout, "0 or more and less than 1");
    }

    /** An adapter of one rank and alpha on modules of all layers. */
    public static AdapterConfig of(String baseModel, int r, double loraAlpha, double loraDropout,
            List<String> targetModules) {
        return new AdapterConfig(baseModel, r, loraAlpha, loraDropout, new TargetModules.Names(targetModules),
                Optional.empty(), false, Map.of(), Map.of(), List.of(), List.of());
    }

    /** The same with rank-stabilised scaling, or without. */
    public AdapterConfig withRslora(boolean rslora) {
        return new AdapterConfig(baseModelNameOrPath, r, loraAlpha, loraDropout, targetModules, excludeModules, rslora,
                rankPattern, alphaPattern, layersToTransform, modulesToSave);
    }

    /** Whether this module is adapted. */
    public boolean targets(int layer, Projection projection) {
        String path = projection.module(layer);
        return (layersToTransform.isEmpty() || layersToTransform.contains(layer)) && targetModules.matches(path)
                && excludeModules.stream().noneMatch(excluded -> excluded.matches(path));
    }

    public int rank(int layer, Projection projection) {
        return byPattern(rankPattern, projection.module(layer)).orElse(r);
    }

    /** What B·A·x is multiplied with. */
    public float scaling(int layer, Projection projection) {
        double alpha = byPattern(alphaPattern, projection.module(layer)).orElse(loraAlpha);
        int rank = rank(layer, projection);
        return (float) (useRslora ? alpha / Math.sqrt(rank) : alpha / rank);
    }

    private static <T> Optional<T> byPattern(Map<String, T> patterns, String path) {
        return patterns.entrySet().stream().filter(entry -> Pattern.compile("(.*\\.)?(" + entry.getKey() + ")$")
                .matcher(path).lookingAt())
                .map(Map.Entry::getValue).findFirst();
    }
}
