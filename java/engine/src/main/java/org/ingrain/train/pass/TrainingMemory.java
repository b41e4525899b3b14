package org.ingrain.train.pass;

import java.util.function.ToLongFunction;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Weights;
import org.ingrain.train.data.MicroBatchLimits;

/**
 * What a training pass has room for.
 *
 * @param limits     of a micro-batch
 * @param keptLayers the last layers, whose activations are kept for the backward pass; those below keep their input
 *                   alone and are computed again there. 1 or more, at most as many as there are; the bits are the same
 *                   whatever it is
 */
public record TrainingMemory(MicroBatchLimits limits, int keptLayers) {
    /** The least there can be: one layer. */
    public static TrainingMemory least(MicroBatchLimits limits) {
        return new TrainingMemory(limits, 1);
    }

    /** As many layers as fit in the free bytes, but at least one. */
    public static TrainingMemory fitting(MicroBatchLimits limits, Blueprint config, long free,
            ToLongFunction<TrainingMemory> bytes) {
        int kept = config.numHiddenLayers();
        while (kept > 1 && bytes.applyAsLong(new TrainingMemory(limits, kept)) > free) {
            kept--;
        }
        return new TrainingMemory(limits, kept);
    }

    /** Where among the kept a layer's activations lie: those that are computed again share the first place. */
    int slot(Blueprint config, int layer) {
        return Math.max(0, layer - (config.numHiddenLayers() - keptLayers));
    }

    /** True where the backward pass computes the layer again. */
    boolean recomputes(Blueprint config, int layer) {
        return layer < config.numHiddenLayers() - keptLayers;
    }

    /**
     * Bytes that training an adapter takes beside a rank's weights, which need not be loaded.
     *
     * @param replicas that train together
     */
    public long loraBytes(Weights weights, LoraConfig lora, int replicas) {
        TrainingPlace place = TrainingPlace.planned(weights.config(), weights.rank(), replicas);
        return Allocator.bytes(weights.context(), memory -> new DecoderTraining(memory, weights,
                new LoraParameters(memory, place, lora, 0, this), this));
    }

    /** Bytes that training all weights takes beside the packed weights, which need not be loaded. */
    public long fullBytes(Weights weights, int replicas) {
        TrainingPlace place = TrainingPlace.planned(weights.config(), weights.rank(), replicas);
        return Allocator.bytes(weights.context(), memory ->
                new DecoderTraining(memory, weights, new FullParameters(memory, weights, place), this));
    }
}
