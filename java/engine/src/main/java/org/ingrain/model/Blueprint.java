package org.ingrain.model;

import java.util.Objects;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;

/**
 * The architecture of a decoder: the fields of Hugging Face's config.json that the engine uses.
 *
 * @param hiddenSize            D, the width of the residual stream
 * @param intermediateSize      F, the width of gate and up
 * @param numHiddenLayers       L
 * @param attention             number and size of the heads
 * @param vocabSize             V
 * @param maxPositionEmbeddings length in tokens of the longest context that the rotary embedding covers
 * @param slidingWindow         attention window in tokens from the config; 0 for no limit. The engine computes full
 *                              attention, so the context length is limited to the window
 * @param rmsNormEps            epsilon that RMSNorm adds to the mean square
 * @param rope                  rotary position embedding
 * @param tieWordEmbeddings     whether lm_head is the same tensor as embed_tokens
 * @param dtype                 the element type that config.json states; the stored tensors may have another type
 */
public record Blueprint(int hiddenSize, int intermediateSize, int numHiddenLayers, AttentionConfig attention,
                        int vocabSize, int maxPositionEmbeddings, int slidingWindow, double rmsNormEps,
                        RopeConfig rope, boolean tieWordEmbeddings, DType dtype) {
    private static final double LARGEST = 1e15;

    public Blueprint {
        Require.that(hiddenSize >= 1, "hidden_size", hiddenSize, "a positive number");
        Require.that(intermediateSize >= 1, "intermediate_size", intermediateSize, "a positive number");
        Require.that(numHiddenLayers >= 1, "num_hidden_layers", numHiddenLayers, "a positive number");
        Require.that(vocabSize >= 1, "vocab_size", vocabSize, "a positive number");
        Require.that(maxPositionEmbeddings >= 1, "max_position_embeddings", maxPositionEmbeddings, "a positive number");
        Require.that(slidingWindow >= 0, "sliding_window", slidingWindow, "0 or more");
        Require.that(rmsNormEps > 0 && Double.isFinite(rmsNormEps), "rms_norm_eps", rmsNormEps, "a positive number");
        Objects.requireNonNull(attention, "attention");
        Objects.requireNonNull(rope, "rope");
        Objects.requireNonNull(dtype, "dtype");
        double layer = hiddenSize * (2.0 * attention.queries() + 2.0 * attention.keys() + 3.0 * intermediateSize);
        requireCountable("parameters", 2.0 * vocabSize * hiddenSize + numHiddenLayers * layer);
        requireCountable("elements of the key-value cache",
                2.0 * numHiddenLayers * attention.keys() * maxPositionEmbeddings);
    }

    /** Rejects sizes so large that a number of bytes, summed over many ranks, could exceed 64 bits. */
    private static void requireCountable(String what, double count) {
        if (count > LARGEST) {
            throw new InputException("the sizes give " + count + " " + what + ", expected at most " + LARGEST);
        }
    }

    /** A blueprint without a sliding window. */
    public Blueprint(int hiddenSize, int intermediateSize, int numHiddenLayers, AttentionConfig attention,
                     int vocabSize, int maxPositionEmbeddings, double rmsNormEps, RopeConfig rope,
                     boolean tieWordEmbeddings, DType dtype) {
        this(hiddenSize, intermediateSize, numHiddenLayers, attention, vocabSize, maxPositionEmbeddings, 0, rmsNormEps,
                rope, tieWordEmbeddings, dtype);
    }

    /** A copy of this blueprint with a separate output head. */
    public Blueprint untied() {
        return new Blueprint(hiddenSize, intermediateSize, numHiddenLayers, attention, vocabSize,
                maxPositionEmbeddings, slidingWindow, rmsNormEps, rope, false, dtype);
    }

    /** The longest context, in tokens, that the engine computes. */
    public int maxContextLength() {
        return slidingWindow > 0 ? Math.min(slidingWindow, maxPositionEmbeddings) : maxPositionEmbeddings;
    }

    /** The setting that limits the context, in the form used in messages: {@code sliding_window 4096}. */
    public String contextLimit() {
        if (maxContextLength() < maxPositionEmbeddings) {
            return "sliding_window " + slidingWindow + ", since sliding-window attention is not supported";
        }
        return "max_position_embeddings " + maxPositionEmbeddings + (rope.scaling() instanceof RopeScaling.Dynamic
                ? ", beyond which rope_type dynamic would depend on the batch" : "");
    }

    /** All parameters of a model with this architecture. */
    public ParameterTable parameters() {
        return new ParameterTable(this);
    }

    /** A copy of this blueprint with the given number of layers. */
    public Blueprint withLayers(int layers) {
        return new Blueprint(hiddenSize, intermediateSize, layers, attention, vocabSize, maxPositionEmbeddings,
                slidingWindow, rmsNormEps, rope, tieWordEmbeddings, dtype);
    }
}
