package org.ingrain.model;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.Require;

/**
 * Grouped-query attention (arXiv:2305.13245).
 *
 * @param numAttentionHeads H
 * @param numKeyValueHeads  K, a divisor of H
 * @param headDim           E, even; H·E may differ from the hidden size
 * @param qkvBias           whether q_proj, k_proj and v_proj have a bias (Qwen2)
 * @param qkNorm            whether each query and key head is normalised before rope (Qwen3)
 */
public record AttentionConfig(int numAttentionHeads, int numKeyValueHeads, int headDim, boolean qkvBias,
                              boolean qkNorm) {
    public AttentionConfig {
        Require.that(numAttentionHeads >= 1, "num_attention_heads", numAttentionHeads, "a positive number");
        Require.that(numKeyValueHeads >= 1, "num_key_value_heads", numKeyValueHeads, "a positive number");
        Require.that(headDim >= 1, "head_dim", headDim, "a positive number");
        Require.that(numAttentionHeads % numKeyValueHeads == 0, "num_attention_heads", numAttentionHeads,
                "a multiple of num_key_value_heads " + numKeyValueHeads);
        Require.that(headDim % 2 == 0, "head_dim", headDim, "an even number");
    }

    /** Attention as in Llama, without bias and without normalisation of heads. */
    public AttentionConfig(int numAttentionHeads, int numKeyValueHeads, int headDim) {
        this(numAttentionHeads, numKeyValueHeads, headDim, false, false);
    }

    /** H·E, the total width of the queries. */
    public long queries() {
        return (long) numAttentionHeads * headDim;
    }

    /** K·E, the total width of the keys, and also of the values. */
    public long keys() {
        return (long) numKeyValueHeads * headDim;
    }

    /** A rank's share of the heads, with at least one key-value head. Scores are scaled by 1/√E. */
    public Ops.Heads heads(Rank rank) {
        return new Ops.Heads(numAttentionHeads / rank.count(), Math.max(1, numKeyValueHeads / rank.count()), headDim,
                (float) (1 / Math.sqrt(headDim)));
    }
}
