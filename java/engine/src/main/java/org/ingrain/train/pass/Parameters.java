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

    /** Elements of the values that one rank alone has. */
    long elements();

    /** Adds where this rank has its values, first and second moments to the three vectors that one rank alone has. */
    void addState(List<TrainedState.Builder> vectors);

    /**
     * The pass that begins: dropout masks depend on nothing else, so that computing a layer again gives the same.
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
