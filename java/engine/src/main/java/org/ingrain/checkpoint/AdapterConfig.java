package org.ingrain.checkpoint;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.files.BoundedRegex;
import org.ingrain.model.Projection;
import org.ingrain.tensor.Require;

/**
 * The configuration of a LoRA adapter, as in PEFT's adapter_config.json.
 *
 * @param baseModelNameOrPath name or path of the base model; may be empty
 * @param r                   rank of all modules that {@code rankPattern} does not match
 * @param loraAlpha           alpha of all modules that {@code alphaPattern} does not match
 * @param loraDropout         dropout probability in training, in [0, 1)
 * @param targetModules       modules to adapt
 * @param excludeModules      modules that are not adapted even if {@code targetModules} matches them
 * @param useRslora           whether the scaling is alpha / √r instead of alpha / r (arXiv:2312.03732)
 * @param rankPattern         regular expressions and their ranks; a module has the rank of the first expression that
 *                            matches the end of the module's path
 * @param alphaPattern        regular expressions and their alphas; the expressions are matched like those of
 *                            {@code rankPattern}
 * @param layersToTransform   layers to adapt; empty for all
 * @param modulesToSave       modules whose full weights are stored with the adapter and replace the weights of the base
 *                            model
 * @param loraBias            whether lora_B has a bias
 */
public record AdapterConfig(String baseModelNameOrPath, int r, double loraAlpha, double loraDropout,
        TargetModules targetModules, Optional<TargetModules> excludeModules, boolean useRslora,
        Map<String, Integer> rankPattern, Map<String, Double> alphaPattern, List<Integer> layersToTransform,
        List<String> modulesToSave, boolean loraBias) {
    public AdapterConfig {
        // The copies keep the order of the entries, because the first expression that matches is used.
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
        layersToTransform = List.copyOf(layersToTransform);
        modulesToSave = List.copyOf(modulesToSave);
        Require.that(r > 0 && rankPattern.values().stream().allMatch(rank -> rank > 0), "r", r,
                "a positive number, and only positive numbers in rank_pattern");
        Require.that(loraAlpha > 0 && Double.isFinite(loraAlpha), "lora_alpha", loraAlpha, "a positive number");
        Require.that(loraDropout >= 0 && loraDropout < 1, "lora_dropout", loraDropout, "0 or more and less than 1");
    }

    /** A configuration with the same rank and alpha for the target modules of all layers. */
    public static AdapterConfig of(String baseModel, int r, double loraAlpha, double loraDropout,
            List<String> targetModules) {
        return new AdapterConfig(baseModel, r, loraAlpha, loraDropout, new TargetModules.Names(targetModules),
                Optional.empty(), false, Map.of(), Map.of(), List.of(), List.of(), false);
    }

    /** A copy with or without rank-stabilised scaling. */
    public AdapterConfig withRslora(boolean rslora) {
        return new AdapterConfig(baseModelNameOrPath, r, loraAlpha, loraDropout, targetModules, excludeModules, rslora,
                rankPattern, alphaPattern, layersToTransform, modulesToSave, loraBias);
    }

    /** A copy with or without a bias of lora_B. */
    public AdapterConfig withLoraBias(boolean bias) {
        return new AdapterConfig(baseModelNameOrPath, r, loraAlpha, loraDropout, targetModules, excludeModules,
                useRslora, rankPattern, alphaPattern, layersToTransform, modulesToSave, bias);
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

    /** The factor applied to B·A·x. */
    public float scaling(int layer, Projection projection) {
        double alpha = byPattern(alphaPattern, projection.module(layer)).orElse(loraAlpha);
        int rank = rank(layer, projection);
        return (float) (useRslora ? alpha / Math.sqrt(rank) : alpha / rank);
    }

    private static <T> Optional<T> byPattern(Map<String, T> patterns, String path) {
        return patterns.entrySet().stream().filter(entry -> BoundedRegex.compile("pattern",
                        "(.*\\.)?(" + entry.getKey() + ")").matches(path))
                .map(Map.Entry::getValue).findFirst();
    }
}
