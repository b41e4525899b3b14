package org.ingrain.train.pass;

import java.util.function.ToLongFunction;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Weights;
import org.ingrain.train.data.MicroBatchLimits;

/**
 * The sizes for which a training pass allocates memory. The results are bit-identical for any number of kept layers.
 *
 * @param limits     maximum sizes of a micro-batch
 * @param keptLayers number of layers, counted from the last one, whose activations are kept for the backward pass; at
 *                   least 1. For all other layers, only the input is kept, and the backward pass recomputes the other
 *                   activations
 */
public record TrainingMemory(MicroBatchLimits limits, int keptLayers) {
    /** The smallest training memory: the activations of only one layer are kept. */
    public static TrainingMemory least(MicroBatchLimits limits) {
        return new TrainingMemory(limits, 1);
    }

    /**
     * The training memory with as many kept layers as fit into the free memory, at least one.
     *
     * @param free  bytes that are free on the device
     * @param bytes function from a training memory to the number of bytes that are allocated for it
     */
    public static TrainingMemory fitting(MicroBatchLimits limits, Blueprint config, long free,
            ToLongFunction<TrainingMemory> bytes) {
        int kept = config.numHiddenLayers();
        while (kept > 1 && bytes.applyAsLong(new TrainingMemory(limits, kept)) > free) {
            kept--;
        }
        return new TrainingMemory(limits, kept);
    }

    /**
     * The slot that stores a layer's activations, from 0. All recomputed layers and the first kept layer use slot 0.
     */
    int slot(Blueprint config, int layer) {
        return Math.max(0, layer - (config.numHiddenLayers() - keptLayers));
    }

    /** True if the backward pass recomputes the layer. */
    boolean recomputes(Blueprint config, int layer) {
        return layer < config.numHiddenLayers() - keptLayers;
    }

    /**
     * Bytes that a rank allocates to train an adapter, in addition to the weights.
     *
     * @param weights  weights of the rank, which need not be loaded
     * @param replicas number of replicas
     */
    public long loraBytes(Weights weights, LoraConfig lora, int replicas) {
        TrainingPlace place = TrainingPlace.planned(weights.config(), weights.rank(), replicas);
        return Allocator.bytes(weights.context(), memory -> new DecoderTraining(memory, weights,
                new LoraParameters(memory, place, lora, 0, this), this));
    }

    /**
     * Bytes that a rank allocates to train all weights, in addition to the packed weights. The packed weights need not
     * be loaded.
     */
    public long fullBytes(Weights weights, int replicas) {
        TrainingPlace place = TrainingPlace.planned(weights.config(), weights.rank(), replicas);
        return Allocator.bytes(weights.context(), memory ->
                new DecoderTraining(memory, weights, new FullParameters(memory, weights, place), this));
    }
}
