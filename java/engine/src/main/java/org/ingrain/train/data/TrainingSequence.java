package org.ingrain.train.data;

import java.util.BitSet;

/**
 * One example as the model sees it.
 *
 * @param ids     tokens, at least two
 * @param targets positions of the tokens the loss is taken on; token i is predicted from the tokens before it, so never
 *                position 0
 */
public record TrainingSequence(int[] ids, BitSet targets) {
    public TrainingSequence {
        if (targets.get(0) || targets.isEmpty() || targets.length() > ids.length) {
            throw new IllegalArgumentException("targets " + targets + " of " + ids.length + " tokens");
        }
    }

    /** Tokens in all. */
    public int length() {
        return ids.length;
    }

    /** How many tokens the loss is taken on. */
    public int targetCount() {
        return targets.cardinality();
    }
}
