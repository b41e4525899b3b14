package org.ingrain.train.data;

import org.ingrain.tensor.Require;

/**
 * Length and batch sizes of a training run, its checkpoints and its seed.
 *
 * @param epochs                  number of passes over the data; used only if {@code maxSteps} is 0
 * @param maxSteps                number of optimizer steps, in as many epochs as needed; 0 if {@code epochs} determines
 *                                the number of steps
 * @param batchSize               sequences per micro-batch; if sequences are packed, bins per micro-batch
 * @param gradientAccumulation    micro-batches per optimizer step
 * @param seed                    seed of the data order, of the initial values of an adapter or a new model, and of
 *                                dropout
 * @param evalEvery               steps between validations; 0 to validate at the end of each epoch
 * @param checkpointEvery         steps between checkpoints; 0 to write one at the end of each epoch
 * @param keepCheckpoints         number of latest checkpoints to keep; the checkpoint with the lowest validation loss
 *                                is kept too
 * @param activationCheckpointing whether to keep only the input of each layer and all activations of the last layer,
 *                                even if there is memory for more. The backward pass then recomputes the other
 *                                activations, and a step takes about a third more time. The results are bit-identical
 *                                with and without this setting
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

    /**
     * A configuration without gradient accumulation, with a validation and a checkpoint after each epoch. The latest
     * two checkpoints are kept.
     */
    public static TrainConfig of(int epochs, int batchSize, long seed) {
        return new TrainConfig(epochs, 0, batchSize, 1, seed, 0, 0, 2, false);
    }
}
