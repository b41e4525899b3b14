package org.ingrain.model;

import org.ingrain.tensor.DType;

/**
 * Element types of a loaded model.
 *
 * @param weights     of the packed matrices: F32 or BF16
 * @param activations of the residual stream and everything between ops: F32 or BF16
 * @param cache       of keys and values: F32 or BF16
 */
public record Precision(DType weights, DType activations, DType cache) {
    /** On a CPU: weights and cache as the checkpoint has them (F16 becomes BF16), arithmetic in F32. */
    public static Precision cpu(DType checkpoint) {
        DType stored = checkpoint == DType.F32 ? DType.F32 : DType.BF16;
        return new Precision(stored, DType.F32, stored);
    }
}
