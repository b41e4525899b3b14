package org.ingrain.ops;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Inputs and outputs of {@link Ops#attention}, which the backward pass reads.
 *
 * @param qkv      input (T, (H + 2K)·E), after rope
 * @param y        output (T, H·E)
 * @param lse      output (T, H) f32, the log-sum-exp of the attention scores
 * @param offsets  input (S + 1) I32, the first row of each sequence, then T
 * @param operands BF16 if the factors of the products, in both passes, may be rounded to bf16; otherwise F32
 */
public record AttentionState(Tensor qkv, Tensor y, Tensor lse, Tensor offsets, DType operands) {
    public AttentionState {
        if (operands != DType.F32 && operands != DType.BF16) {
            throw new IllegalArgumentException("operands of attention are " + operands + ", expected F32 or BF16");
        }
    }
}
