package org.ingrain.ops;

import org.ingrain.tensor.Tensor;

/**
 * The settings of {@link Ops#sample} for each row. All tensors have the shape (M).
 *
 * @param temperature f32, 0 for greedy
 * @param topK        i32, 0 for no limit
 * @param topP        f32, 1 for no limit
 * @param seeds       i64
 * @param sequences   i32
 * @param positions   i32; the random number of a row depends only on the row's seed, sequence and position
 */
public record SampleRows(Tensor temperature, Tensor topK, Tensor topP, Tensor seeds, Tensor sequences,
        Tensor positions) {
}
