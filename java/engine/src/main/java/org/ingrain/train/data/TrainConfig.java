package org.ingrain.train.data;

import org.ingrain.tensor.Require;

/**
 * How long and in what portions a model is trained.
 *
 * @param epochs                  passes over the data, where maxSteps is 0
 * @param maxSteps                optimizer steps, over as many passes as they need; 0 to go by epochs
 * @param batchSize               examples (bins, where packing) of one forward and backward pass
 * @param gradientAccumulation    such passes whose gradients make one optimizer step
 * @param seed                    of the order of examples, the first adapter and dropout
 * @param evalEvery               steps between validations; 0 for the end of each epoch
 * @param checkpointEvery         steps between checkpoints; 0 for the end of each epoch
 * @param keepCheckpoints         how many of the latest checkpoints stay, the best one beside them
 * @param activationCheckpointing keep each layer's input only and compute the layer again in the backward pass, even
 *                                where there is memory for more: a third more time, the same bits
 */
public record TrainConfig(int epochs, int maxSteps, int batchSize, int gradientAccumulation, long seed, int evalEvery,
                          int checkpointEvery, int keepCheckpoints, boolean activationCheckpointing) {
    public TrainConfig {
        Require.atLeast(0, "maxSteps", maxSteps);
        Require.atLeast(maxSteps > 0 ? 0 : 1, "epochs", epochs);
        Require.atLeast(1, "batchSize", batchSize);
        Require.atLeast(1, "gradientAccumulation", gradientAccumulation);
        Require.atLeast(0, "evalEvery", evalEvery);
        Require.atLeast(0, "checkpointEvery", checkpointEvery);
        Require.atLeast(1, "keepCheckpoints", keepCheckpoints);
    }

    /** Epochs of batches of this size, validated and checkpointed after each epoch, two checkpoints kept. */
    public static TrainConfig of(int epochs, int batchSize, long seed) {
        return new TrainConfig(epochs, 0, batchSize, 1, seed, 0, 0, 2, false);
    }
}
