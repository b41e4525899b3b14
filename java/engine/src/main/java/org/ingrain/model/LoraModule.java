package org.ingrain.model;

/**
 * The adapter of one projection of one layer. The adapted weight is W + scaling·B·A.
 *
 * @param layer      from 0
 * @param projection which of the seven projections
 * @param rank       R
 * @param scaling    alpha / R, or alpha / √R for rank-stabilised LoRA
 * @param a          lora_A (R, C) row-major
 * @param b          lora_B (N, R) row-major
 */
public record LoraModule(int layer, Projection projection, int rank, float scaling, float[] a, float[] b) {
}
