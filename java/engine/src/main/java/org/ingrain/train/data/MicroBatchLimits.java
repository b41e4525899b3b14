package org.ingrain.train.data;

/**
 * Maximum sizes of a micro-batch, for which memory is allocated.
 *
 * @param tokens    maximum number of tokens
 * @param sequences maximum number of sequences
 * @param targets   maximum number of targets
 */
public record MicroBatchLimits(int tokens, int sequences, int targets) {
    /** Returns, for each of the three sizes, the larger of this limit and the limit of {@code other}. */
    public MicroBatchLimits max(MicroBatchLimits other) {
        return new MicroBatchLimits(Math.max(tokens, other.tokens), Math.max(sequences, other.sequences),
                Math.max(targets, other.targets));
    }

    /** Throws an IllegalArgumentException if a batch exceeds a limit. */
    public void require(MicroBatch batch) {
        if (batch.tokens() > tokens || batch.sequences() > sequences || batch.targetCount() > targets) {
            throw new IllegalArgumentException("a batch of " + batch.tokens() + " tokens, " + batch.sequences()
                    + " sequences and " + batch.targetCount() + " targets, expected at most " + this);
        }
    }
}
