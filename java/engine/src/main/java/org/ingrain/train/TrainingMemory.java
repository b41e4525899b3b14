package org.ingrain.train;

import org.ingrain.model.LlamaConfig;
import org.ingrain.tensor.DType;

/**
 * What a training pass has room for.
 *
 * @param limits                  of a micro-batch
 * @param activationCheckpointing keep each layer's input alone and compute the layer again in the backward pass
 */
public record TrainingMemory(MicroBatchLimits limits, boolean activationCheckpointing) {
    /** Layers whose inner activations exist at one time. */
    int keptLayers(LlamaConfig config) {
        return activationCheckpointing ? 1 : config.numHiddenLayers();
    }

    /** Bytes that training an adapter takes beside the weights. */
    public long loraBytes(LlamaConfig config, DType activations, LoraConfig lora) {
        return LoraParameters.bytes(config, lora, this) + TrainingActivations.bytes(config, activations, this);
    }

    /** Bytes that training all weights takes beside the packed weights. */
    public long fullBytes(LlamaConfig config, DType activations) {
        return FullParameters.bytes(config) + TrainingActivations.bytes(config, activations, this);
    }
}
