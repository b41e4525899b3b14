package org.ingrain.ops;

/**
 * Coefficients of one AdamW step.
 *
 * @param learningRate learning rate of this step
 * @param beta1        decay of the first moment
 * @param beta2        decay of the second moment
 * @param eps          added to the square root of the second moment
 * @param weightDecay  decoupled weight decay, multiplied by the learning rate
 */
public record AdamW(float learningRate, float beta1, float beta2, float eps, float weightDecay) {
}
