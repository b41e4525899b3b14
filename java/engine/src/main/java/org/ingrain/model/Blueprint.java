package org.ingrain.model;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * The shape of a decoder: Hugging Face's config.json without what the engine does not need.
 *
 * @param hiddenSize            D, the width of the residual stream
 * @param intermediateSize      F, the width of gate and up
 * @param numHiddenLayers       L
 * @param attention             heads and their size
 * @param vocabSize             V
 * @param maxPositionEmbeddings longest context in tokens
 * @param rmsNormEps            added to the mean square
 * @param rope                  rotary position embedding
 * @param tieWordEmbeddings     lm_head is embed_tokens
 * @param dtype                 the type config.json claims; the tensors in the file may have another
 */
public record Blueprint(int hiddenSize, int intermediateSize, int numHiddenLayers, AttentionConfig attention, int vocabSize,
                        int maxPositionEmbeddings, double rmsNormEps, RopeConfig rope, boolean tieWordEmbeddings, DType dtype) {
    public Blueprint {
        positive("hidden_size", hiddenSize);
        positive("intermediate_size", intermediateSize);
        positive("num_hidden_layers", numHiddenLayers);
        positive("vocab_size", vocabSize);
        positive("max_position_embeddings", maxPositionEmbeddings);
        if (!(rmsNormEps > 0 && Double.isFinite(rmsNormEps))) {
            throw new InputException("rms_norm_eps is " + rmsNormEps + ", expected a positive number");
        }
        if (attention == null || rope == null || dtype == null) {
            throw new InputException((attention == null ? "attention" : rope == null ? "rope" : "dtype") + " is missing");
        }
    }

    /** Every parameter of such a model. */
    public ParameterTable parameters() {
        return new ParameterTable(this);
    }

    /** The same with this many layers. */
    public Blueprint withLayers(int layers) {
        return new Blueprint(hiddenSize, intermediateSize, layers, attention, vocabSize, maxPositionEmbeddings, rmsNormEps, rope,
                tieWordEmbeddings, dtype);
    }

    static void positive(String field, int value) {
        if (value < 1) {
            throw new InputException(field + " is " + value + ", expected a positive number");
        }
    }
}
