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

    /** Number of values in the layout of an unsharded run. */
    long elements();

    /** Adds this rank's parts to three vectors in the layout of an unsharded run: values, first and second moments. */
    void addState(List<TrainedState.Builder> vectors);

    /**
     * Begins a pass. The dropout masks of the pass depend only on these arguments and the run's seed, so a recomputed
     * layer has the same masks.
     *
     * @param step       optimizer step, from 1; 0 for an evaluation, without dropout
     * @param microBatch index of the micro-batch in the step, from 0
     */
    default void begin(int step, int microBatch) {
    }

    /** y (T, D) += what is trained beside the embedding of ids (T). */
    default void embeddingForward(Tensor y, Tensor ids) {
    }

    /** Adds the gradients of the embedding of ids (T), whose output has gradient dy (T, D). */
    void embeddingBackward(Tensor dy, Tensor ids);

    /**
     * y (T, N) += what is trained beside the product of x (T, C) with a group. The head's group is {@link
     * Group#LM_HEAD}, tied or not; its rows come a chunk at a time, each forward and then backward.
     */
    default void forward(Group group, Tensor y, Tensor x) {
    }

    /**
     * Accumulates the gradients of the trained parameters of one matmul.
     *
     * @param dx (T, C) the input's gradient, to which the adapter's part is added; null if no parameters below are
     *           trained
     * @param dy (T, N) the output's gradient
     * @param x  (T, C) the input
     */
    void backward(Group group, Tensor dx, Tensor dy, Tensor x);

    /**
     * The first group of the forward pass, up to the last layer, at which anything is trained; a later one if only the
     * output head is.
     */
    Group lowest();

    /** The gradient of a group's weight, or null if the weight is frozen. */
    default Tensor gradient(Group group) {
        return null;
    }

    /** Ends a pass. All gradients of the pass are then in {@link #flat}. */
    default void end() {
    }

    /** Updates the weights that the forward pass reads. Must be called after the values have changed. */
    default void updated() {
    }

    @Override
    void close();
}
