package org.ingrain.ops;

import org.ingrain.tensor.Tensor;

/**
 * The weights of {@link Ops#qkNorm}, or their gradients.
 *
 * @param q (E) of every query head
 * @param k (E) of every key head
 */
public record QkNorm(Tensor q, Tensor k) {
}
