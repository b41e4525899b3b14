package org.ingrain.train.data;

import java.util.BitSet;

/**
 * A sequence of token ids, some of which are targets.
 *
 * @param ids     token ids, at least two
 * @param targets positions of the target tokens, at least one. A target is predicted from the tokens before the target,
 *                so position 0 cannot be a target
 */
public record TrainingSequence(int[] ids, BitSet targets) {
    public TrainingSequence {
        if (targets.get(0) || targets.isEmpty() || targets.length() > ids.length) {
            throw new IllegalArgumentException("targets " + targets + " of " + ids.length
                    + " tokens, expected at least one, and not the first token");
        }
    }

    /** Number of tokens. */
    public int length() {
        return ids.length;
    }

    /** Number of targets. */
    public int targetCount() {
        return targets.cardinality();
    }
}
