package org.ingrain.ops;

import org.ingrain.tensor.Tensor;

/**
 * Inputs and outputs of the forward pass, {@link Ops#attention}.
 *
 * @param qkv     input (T, (H + 2K)·E), after rope
 * @param y       (T, H·E)
 * @param lse     (T, H) f32
 * @param offsets (S + 1) I32
 */
public record AttentionState(Tensor qkv, Tensor y, Tensor lse, Tensor offsets) {
}
