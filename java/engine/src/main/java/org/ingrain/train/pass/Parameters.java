package org.ingrain.train.pass;

import java.util.List;
import org.ingrain.model.Group;
import org.ingrain.tensor.Tensor;

/**
 * What a run trains of a model: adapters beside frozen weights, or the weights themselves. {@link DecoderTraining}
 * calls at each product of the model; gradients accumulate in {@link #flat}.
 */
public sealed interface Parameters extends AutoCloseable permits LoraParameters, FullParameters {
    /** Values, gradients and moments. */
    FlatParameters flat();

    /** Number of values of an unsharded run, which has one rank. */
    long elements();

    /** Adds this rank's parts to the vectors of an unsharded run: values, first moments and second moments. */
    void addState(List<TrainedState.Builder> vectors);

    /**
     * Begins a pass. Its dropout masks are fixed by these parameters, so recomputing a layer yields the same masks.
     *
     * @param step       of the optimizer, from 1; 0 for an evaluation, which drops nothing
     * @param microBatch of the step, from 0
     */
    default void begin(int step, int microBatch) {
    }

    /** y (T, N) += what is trained beside the product of x (T, C) with a group. */
    default void forward(Group group, Tensor y, Tensor x) {
    }

    /**
     * Adds the gradients of the product of x (T, C), whose output has gradient dy (T, N).
     *
     * @param dx (T, C) += through adapters; null where nothing below is trained
     */
    void backward(Group group, Tensor dx, Tensor dy, Tensor x);

    /** The first group of the forward pass at which anything is trained. */
    Group lowest();

    /** Gradient of a group that is trained itself, or null where it is frozen. */
    default Tensor gradient(Group group) {
        return null;
    }

    /** The pass has ended: its gradients are in {@link #flat}. */
    default void end() {
    }

    /** Carries changed values to where the forward pass reads them. */
    default void updated() {
    }

    @Override
    void close();
}
