package org.ingrain.train.pass;

import org.ingrain.tensor.Tensor;

/**
 * What a run trains of a Llama: adapters beside frozen weights, or the weights themselves. {@link DecoderTraining} asks at each product of
 * the model; gradients accumulate in {@link #flat}.
 */
public sealed interface Parameters extends AutoCloseable permits LoraParameters, FullParameters {
    /** Values, gradients and moments. */
    FlatParameters flat();

    /**
     * The pass that begins: dropout masks depend on nothing else, so that computing a layer again gives the same.
     *
     * @param step       of the optimizer, from 1; 0 for an evaluation, which drops nothing
     * @param microBatch of the step, from 0
     */
    void begin(int step, int microBatch);

    /** y (T, N) += what is trained beside the product of x (T, C). */
    void forward(int layer, Site site, Tensor y, Tensor x);

    /** Gradients += of the product of x (T, C) where its output has gradient dy (T, N); dx (T, C) += through adapters, or null. */
    void backward(int layer, Site site, Tensor dx, Tensor dy, Tensor x);

    /** Below this {@link Site#depth} nothing is trained; -1 where the embedding is. */
    int lowestDepth();

    /** Gradients += of the head's product of x (M, D) where logits have gradient dlogits (M, V). */
    void headBackward(Tensor dlogits, Tensor x);

    /** Gradients += of the embedding of ids (T) where it has gradient dh (T, D). */
    void embeddingBackward(Tensor dh, Tensor ids);

    /** Gradient (D) of a norm's weight, or null where it is frozen. */
    Tensor normGradient(Norm norm);

    /** Carries changed values to where the forward pass reads them. */
    void updated();

    @Override
    void close();

    /**
     * A norm of the model.
     *
     * @param layer from 0; the number of layers for the last norm of the model
     * @param post  true for post_attention_layernorm
     */
    record Norm(int layer, boolean post) {
        int index() {
            return 2 * layer + (post ? 1 : 0);
        }
    }
}
