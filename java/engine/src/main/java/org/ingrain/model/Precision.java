package org.ingrain.model;

import java.util.Locale;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;
import org.ingrain.tensor.Weight;

/**
 * Element types of a loaded model.
 *
 * @param weights     format of the layers' packed matrices: F32, BF16, F8E4M3, INT8 or INT4
 * @param tables      format of the embedding and the output head: F32, BF16 or INT8
 * @param activations type of the residual stream, the norms and all intermediate tensors: F32 or BF16
 * @param cache       type of the key-value cache: F32, BF16 or F8E4M3
 */
public record Precision(Weight.Format weights, Weight.Format tables, DType activations, DType cache) {
    /** Columns per scale of a matrix that is quantized when it is loaded. */
    private static final int GROUP = 32;

    /** Creates a precision for this type of weights. Chooses the type of embedding and head as {@link #of} does. */
    public Precision(DType weights, DType activations, DType cache) {
        this(format(weights), tables(weights), activations, cache);
    }

    /**
     * The types of stored weights.
     *
     * @param dtype     type of the tensors that are stored as floats
     * @param quantized row-major format of the layers' matrices; null if these are stored as floats
     */
    public record Stored(DType dtype, Weight.Format quantized) {
    }

    /**
     * Chooses the types for a backend.
     *
     * @param cpu     whether the backend is a CPU, which computes in F32; a GPU computes in F32 if the weights are F32,
     *                otherwise in BF16
     * @param stored  types of the stored weights
     * @param weights requested type of the weights; null selects the stored format if the stored weights are quantized,
     *                F32 if they are F32, otherwise BF16. Quantized weights can be used as stored, or as F32 or BF16
     * @param cache   requested type of the cache; null selects F32 if the weights are F32, otherwise BF16
     */
    public static Precision of(boolean cpu, Stored stored, DType weights, DType cache) {
        Require.that(!cpu || weights != DType.F8E4M3, "dtype", "fp8 on the CPU", "f32, bf16, int8 or int4 there");
        Require.that(!cpu || cache != DType.F8E4M3, "cacheDtype", "fp8 on the CPU", "f32 or bf16 there");
        DType own = stored.dtype == DType.F32 ? DType.F32 : DType.BF16;
        boolean floats = weights == DType.F32 || weights == DType.BF16;
        boolean asStored = stored.quantized != null && !floats;
        if (asStored && weights != null && weights != stored.quantized.dtype()) {
            String found = name(stored.quantized.dtype());
            throw InputException.field("dtype", name(weights) + " for weights that are stored as " + found
                    + ", expected auto, " + found + ", bf16 or f32");
        }
        Weight.Format chosen = asStored ? packed(stored.quantized) : format(weights == null ? own : weights);
        DType kept = chosen.dtype() == DType.F32 ? DType.F32 : DType.BF16;
        Weight.Format tables = asStored ? format(cpu ? own : DType.BF16) : tables(chosen.dtype());
        return new Precision(chosen, tables, cpu ? DType.F32 : kept, cache == null ? kept : cache);
    }

    private static Weight.Format format(DType dtype) {
        return new Weight.Format(dtype, Weight.Layout.PACKED, dtype.quantized() ? GROUP : 0, false);
    }

    private static Weight.Format packed(Weight.Format stored) {
        return new Weight.Format(stored.dtype(), Weight.Layout.PACKED, stored.group(), stored.zeros());
    }

    /** Returns the format of embedding and head for this type of the layers. Only layers can be fp8 or INT4. */
    private static Weight.Format tables(DType weights) {
        return format(switch (weights) {
            case F8E4M3 -> DType.BF16;
            case INT4 -> DType.INT8;
            default -> weights;
        });
    }

    /** The name of a type in settings, such as {@code int8}. */
    private static String name(DType dtype) {
        return dtype == DType.F8E4M3 ? "fp8" : dtype.name().toLowerCase(Locale.ROOT);
    }

    /** The format of the matrices in a group. */
    Weight.Format of(Group group) {
        return group.layer() == Group.MODEL ? tables : weights;
    }
}
