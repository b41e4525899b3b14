package org.ingrain.model;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * Element types of a loaded model.
 *
 * @param weights     of the layers' packed matrices: F32, BF16 or F8E4M3
 * @param activations of the residual stream, the norms and everything between ops: F32 or BF16
 * @param cache       of keys and values: F32, BF16 or F8E4M3
 */
public record Precision(DType weights, DType activations, DType cache) {
    /**
     * The types for a backend.
     *
     * @param cpu        a CPU computes in F32, a GPU in BF16 unless the weights are F32
     * @param checkpoint type of the stored weights
     * @param weights    asked for, or null: as stored, F16 as BF16
     * @param cache      asked for, or null: as the weights, beside fp8 weights BF16
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

    /** Type of the embedding and the head: fp8 is for the layers alone. */
    public DType tables() {
        return weights == DType.F8E4M3 ? DType.BF16 : weights;
    }
}
