package org.ingrain.model;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * The blueprint of a Llama: Hugging Face's config.json without what the engine does not need.
 *
 * @param hiddenSize            D, the width of the residual stream
 * @param intermediateSize      F, the width of gate and up
 * @param numHiddenLayers       L
 * @param numAttentionHeads     H
 * @param numKeyValueHeads      K, a divisor of H
 * @param headDim               E, even; H·E need not be D
 * @param vocabSize             V
 * @param maxPositionEmbeddings longest context in tokens
 * @param rmsNormEps            added to the mean square
 * @param rope                  rotary position embedding
 * @param tieWordEmbeddings     lm_head is embed_tokens
 * @param dtype                 the type config.json claims; the tensors in the file may have another
 */
public record Blueprint(int hiddenSize, int intermediateSize, int numHiddenLayers, int numAttentionHeads, int numKeyValueHeads,
                          int headDim, int vocabSize, int maxPositionEmbeddings, double rmsNormEps, RopeConfig rope,
                          boolean tieWordEmbeddings, DType dtype) {
    public Blueprint {
        positive("hidden_size", hiddenSize);
        positive("intermediate_size", intermediateSize);
        positive("num_hidden_layers", numHiddenLayers);
        positive("num_attention_heads", numAttentionHeads);
        positive("num_key_value_heads", numKeyValueHeads);
        positive("head_dim", headDim);
        positive("vocab_size", vocabSize);
        positive("max_position_embeddings", maxPositionEmbeddings);
        if (numAttentionHeads % numKeyValueHeads != 0) {
            throw new InputException("num_attention_heads is " + numAttentionHeads + ", expected a multiple of num_key_value_heads "
                    + numKeyValueHeads);
        }
        if (headDim % 2 != 0) {
            throw new InputException("head_dim is " + headDim + ", expected an even number");
        }
        if (!(rmsNormEps > 0 && Double.isFinite(rmsNormEps))) {
            throw new InputException("rms_norm_eps is " + rmsNormEps + ", expected a positive number");
        }
        if (rope == null || dtype == null) {
            throw new InputException((rope == null ? "rope" : "dtype") + " is missing");
        }
    }

    /** Columns of the fused qkv projection, (H + 2K)·E. */
    public int qkvSize() {
        return (numAttentionHeads + 2 * numKeyValueHeads) * headDim;
    }

    /** The same with this many layers. */
    public Blueprint withLayers(int layers) {
        return new Blueprint(hiddenSize, intermediateSize, layers, numAttentionHeads, numKeyValueHeads, headDim, vocabSize,
                maxPositionEmbeddings, rmsNormEps, rope, tieWordEmbeddings, dtype);
    }

    private static void positive(String field, int value) {
        if (value < 1) {
            throw new InputException(field + " is " + value + ", expected a positive number");
        }
    }
}
