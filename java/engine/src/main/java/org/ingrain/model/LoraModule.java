package org.ingrain.model;

/**
 * One adapted module. The adapter replaces W by W + scaling·B·A. If {@code bias} is not null, the adapter also adds
 * scaling·bias to the output.
 *
 * @param layer      layer number, from 0; {@link Group#MODEL} for the embedding and the output head
 * @param projection the adapted module of the layer or of the model
 * @param rank       R
 * @param scaling    alpha / R, or alpha / √R for rank-stabilised LoRA
 * @param a          lora_A (R, C) row-major; C is V for the embedding
 * @param b          lora_B (N, R) row-major; N is D for the embedding
 * @param bias       bias (N) of lora_B, or null
 */
public record LoraModule(int layer, Projection projection, int rank, float scaling, float[] a, float[] b,
        float[] bias) {
    /** A module without a bias. */
    public LoraModule(int layer, Projection projection, int rank, float scaling, float[] a, float[] b) {
        this(layer, projection, rank, scaling, a, b, null);
    }

    /** Returns the transpose of a row-major matrix with the given number of rows. */
    public static float[] transposed(float[] matrix, int rows) {
        int columns = matrix.length / rows;
        float[] result = new float[matrix.length];
        for (int i = 0; i < matrix.length; i++) {
            result[i % columns * rows + i / columns] = matrix[i];
        }
        return result;
    }
}
