package org.ingrain.train.data;

/**
 * The largest micro-batch that memory is made for.
 *
 * @param tokens    T
 * @param sequences S
 * @param targets   M
 */
public record MicroBatchLimits(int tokens, int sequences, int targets) {
    /** Large enough for both. */
    public MicroBatchLimits max(MicroBatchLimits other) {
        return new MicroBatchLimits(Math.max(tokens, other.tokens), Math.max(sequences, other.sequences),
                Math.max(targets, other.targets));
    }

    public void require(MicroBatch batch) {
        if (batch.tokens() > tokens || batch.sequences() > sequences || batch.targetCount() > targets) {
            throw new IllegalArgumentException("a batch of " + batch.tokens() + " tokens, " + batch.sequences()
                    + " sequences and "
                    + batch.targetCount() + " targets in memory for " + this);
        }
    }
}
