package org.ingrain.ops;

import org.ingrain.tensor.Tensor;

/**
 * The weights of {@link Ops#qkNorm}, or their gradients.
 *
 * @param q weight (E), shared by all query heads
 * @param k weight (E), shared by all key heads
 */
public record QkNorm(Tensor q, Tensor k) {
}
