package org.ingrain.model;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.InputException;

/**
 * Grouped-query attention (arXiv:2305.13245).
 *
 * @param numAttentionHeads H
 * @param numKeyValueHeads  K, a divisor of H
 * @param headDim           E, even; H·E need not be the hidden size
 */
public record AttentionConfig(int numAttentionHeads, int numKeyValueHeads, int headDim) {
    public AttentionConfig {
        Blueprint.positive("num_attention_heads", numAttentionHeads);
        Blueprint.positive("num_key_value_heads", numKeyValueHeads);
        Blueprint.positive("head_dim", headDim);
        if (numAttentionHeads % numKeyValueHeads != 0) {
            throw new InputException("num_attention_heads is " + numAttentionHeads + ", expected a multiple of num_key_value_heads "
                    + numKeyValueHeads);
        }
        if (headDim % 2 != 0) {
            throw new InputException("head_dim is " + headDim + ", expected an even number");
        }
    }

    /** H·E, the width of all queries. */
    public long queries() {
        return (long) numAttentionHeads * headDim;
    }

    /** K·E, the width of all keys, and of all values. */
    public long keys() {
        return (long) numKeyValueHeads * headDim;
    }

    /** A rank's share of the heads; scores are scaled by 1/√E. */
    public Ops.Heads heads(Rank rank) {
        return new Ops.Heads(numAttentionHeads / rank.count(), numKeyValueHeads / rank.count(), headDim, (float) (1 / Math.sqrt(headDim)));
    }
}
