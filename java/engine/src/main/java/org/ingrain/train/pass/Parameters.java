package org.ingrain.train.pass;

import java.util.List;
import org.ingrain.model.Group;
import org.ingrain.tensor.Tensor;

/**
 * The trained parameters: an adapter of a frozen model, or all weights. {@link DecoderTraining} calls
 * {@link #forward} and {@link #backward} at each matmul of the model. Gradients are accumulated in {@link #flat}.
 */
public sealed interface Parameters extends AutoCloseable permits LoraParameters, FullParameters {
    /** The values, gradients and moments. */
    FlatParameters flat();

    /** Number of values, counted in the layout of an unsharded run. */
    long elements();

    /**
     * Adds this rank's parts of the values, first moments and second moments to three vectors, which have the layout of
     * an unsharded run.
     */
    void addState(List<TrainedState.Builder> vectors);

    /**
     * Begins a pass. The dropout masks of the pass depend only on the arguments and the run's seed. A recomputed layer
     * therefore has the same masks.
     *
     * @param step       optimizer step, from 1; 0 for an evaluation, without dropout
     * @param microBatch index of the micro-batch in the step, from 0
     */
    default void begin(int step, int microBatch) {
    }

    /** Adds the adapter's contribution to the embeddings y (T, D) of ids (T). */
    default void embeddingForward(Tensor y, Tensor ids) {
    }

    /**
     * Adds the gradients of the trained parameters for the embedding lookup of ids (T). dy (T, D) is the gradient of
     * the embeddings.
     */
    void embeddingBackward(Tensor dy, Tensor ids);

    /**
     * Adds the adapter's contribution to the product y (T, N) of x (T, C) with the weight of a group. The head's group
     * is {@link Group#LM_HEAD}, even if the head is tied. The rows of the head are processed in chunks. The backward
     * pass of a chunk runs before the forward pass of the next chunk.
     */
    default void forward(Group group, Tensor y, Tensor x) {
    }

    /**
     * Accumulates the gradients of the trained parameters of one matmul.
     *
     * @param dx (T, C) the input's gradient; the adapter's contribution is added to it. Null if no gradient of the
     *           input is needed, because all parameters of earlier ops in the forward pass are frozen
     * @param dy (T, N) the output's gradient
     * @param x  (T, C) the input
     */
    void backward(Group group, Tensor dx, Tensor dy, Tensor x);

    /**
     * Returns the first group in forward order that has trained parameters. The output head does not count, because its
     * backward pass always runs. If only the head is trained, returns a group after those of the last layer.
     */
    Group lowest();

    /** The gradient of a group's weight, or null if the weight is frozen. */
    default Tensor gradient(Group group) {
        return null;
    }

    /** Ends a pass. Afterwards, {@link #flat} contains all gradients of the pass. */
    default void end() {
    }

    /** Updates the weights that the forward pass reads. Must be called after the values have changed. */
    default void updated() {
    }

    @Override
    void close();
}
