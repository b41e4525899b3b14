package org.ingrain.engine;

import java.nio.file.Path;
import java.util.Optional;
import org.ingrain.tensor.InputException;

/**
 * Where the weights of a model come from.
 *
 * @param random whether to draw random weights on the device instead of loading the folder's weights; for a new model
 *               or for measurements
 * @param layers number of layers if {@code random} is true; 0 for all layers of the config
 * @param cache  folder that keeps the packed weights of a CPU; the next engine with the same model and settings maps
 *               them instead of loading the model's files
 */
public record WeightsOptions(boolean random, int layers, Optional<Path> cache) {
    /** The weights are loaded from the model's files, without a cache. */
    public static final WeightsOptions LOADED = new WeightsOptions(false, 0, Optional.empty());

    public WeightsOptions {
        if (layers < 0 || layers > 0 && !random) {
            throw InputException.field("layers", layers + ", expected 1 or more, with random weights");
        }
        if (random && cache.isPresent()) {
            throw InputException.field("weightsCache", "given with random weights, expected the weights of a model");
        }
    }

    /** Random weights for the first {@code layers} layers, or for all layers if {@code layers} is 0. */
    public static WeightsOptions random(int layers) {
        return LOADED.withRandom(layers);
    }

    /** A copy of these options with random weights. */
    WeightsOptions withRandom(int count) {
        return new WeightsOptions(true, count, cache);
    }

    /** The weights are loaded from the model's files, and the packed weights are kept in this folder. */
    public static WeightsOptions cached(Path folder) {
        return new WeightsOptions(false, 0, Optional.of(folder));
    }

    /** Throws an InputException if the weights are in a cache, because training all weights changes them. */
    public void requireNoCache() {
        if (cache.isPresent()) {
            throw InputException.field("weightsCache", "given, but training changes all weights, expected no cache");
        }
    }
}
