package org.ingrain.model;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * Element types of a loaded model.
 *
 * @param weights     type of the layers' packed matrices: F32, BF16 or F8E4M3
 * @param activations type of the residual stream, the norms and all intermediate tensors: F32 or BF16
 * @param cache       type of the key-value cache: F32, BF16 or F8E4M3
 */
public record Precision(DType weights, DType activations, DType cache) {
    /**
     * Chooses the types for a backend.
     *
     * @param cpu        whether the backend is a CPU, which computes in F32; a GPU computes in F32 if the weights are
     *                   F32, otherwise in BF16
     * @param checkpoint type of the stored weights
     * @param weights    requested type of the weights; null selects F32 if the stored type is F32, otherwise BF16
     * @param cache      requested type of the cache; null selects F32 if the weights are F32, otherwise BF16
     */
    public static Precision of(boolean cpu, DType checkpoint, DType weights, DType cache) {
        if (cpu && (weights == DType.F8E4M3 || cache == DType.F8E4M3)) {
            throw InputException.field(weights == DType.F8E4M3 ? "dtype" : "cacheDtype",
                    "fp8 on the CPU, expected f32 or bf16 there");
        }
        DType own = checkpoint == DType.F32 ? DType.F32 : DType.BF16;
        DType chosen = weights == null ? own : weights;
        DType kept = chosen == DType.F32 ? DType.F32 : DType.BF16;
        return new Precision(chosen, cpu ? DType.F32 : kept, cache == null ? kept : cache);
    }

    /** The type of the embedding and the head. Only layer weights can be fp8. */
    public DType tables() {
        return weights == DType.F8E4M3 ? DType.BF16 : weights;
    }
}
