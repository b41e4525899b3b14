package org.ingrain.model;

/**
 * A parameter of a model.
 *
 * @param name    name in the checkpoint, in Hugging Face's convention
 * @param group   the device weight that contains this parameter
 * @param rows    N, output features of a matrix; number of elements of a vector
 * @param columns C, input features of a matrix; 0 for a vector
 * @param shard   how the parameter is split over tensor-parallel ranks
 * @param unit    number of consecutive rows that are never split: the rows of one head for k and v, otherwise 1
 * @param init    initialisation in a new model
 * @param decayed whether weight decay applies
 */
public record Parameter(String name, Group group, long rows, long columns, Shard shard, long unit, Init init,
        boolean decayed) {
    /**
     * The part of a parameter that a rank holds: the whole parameter, or the rank's share of the rows, of the columns,
     * or of the vocabulary's rows. The vocabulary is split only if there are at least {@link #VOCABULARY_RANKS} ranks
     * and the vocabulary size is a multiple of the number of ranks.
     */
    public enum Shard { NONE, ROWS, COLUMNS, VOCABULARY }

    /**
     * The vocabulary is split if there are at least this many ranks. With fewer ranks it is faster if each rank
     * computes all logits.
     */
    static final int VOCABULARY_RANKS = 4;

    /**
     * The distribution of the initial values: zeros, ones, or normal(0, 0.02). Weights that write to the residual
     * stream have the distribution normal(0, 0.02 / √(2·layers)), as in GPT-2.
     */
    public enum Init {
        ZEROS, ONES, NORMAL, RESIDUAL;

        /** The standard deviation of the initial values in a model with this number of layers; 0 for constants. */
        public float deviation(int layers) {
            return switch (this) {
                case ZEROS, ONES -> 0;
                case NORMAL -> 0.02f;
                case RESIDUAL -> (float) (0.02 / Math.sqrt(2.0 * layers));
            };
        }
    }

    /** Whether this is a matrix; false for a vector. */
    public boolean matrix() {
        return columns > 0;
    }

    /** The shape, which is (N, C) for a matrix and (N) for a vector. */
    public long[] shape() {
        return matrix() ? new long[] {rows, columns} : new long[] {rows};
    }

    public long elements() {
        return rows * Math.max(columns, 1);
    }

    /** The number of rows that a rank holds. If there are more ranks than units, several ranks hold the same unit. */
    public long rows(Rank rank) {
        return sharesRows(rank) ? Math.max(rows / rank.count(), unit) : rows;
    }

    /** The index of the first row that a rank holds. */
    public long firstRow(Rank rank) {
        return sharesRows(rank) ? rank.index() * rows / rank.count() / unit * unit : 0;
    }

    private boolean sharesRows(Rank rank) {
        return shard == Shard.ROWS
                || shard == Shard.VOCABULARY && rank.count() >= VOCABULARY_RANKS && rows % rank.count() == 0;
    }

    /** The number of columns that a rank holds. */
    public long columns(Rank rank) {
        return shard == Shard.COLUMNS ? columns / rank.count() : columns;
    }

    /** The index of the first column that a rank holds. */
    public long firstColumn(Rank rank) {
        return rank.index() * columns(rank) % Math.max(columns, 1);
    }

    /**
     * The number of columns per partial sum, if the columns are sharded; 0 for a single sum over all columns.
     *
     * @param group number of adjacent columns that share a scale; 0 if no columns share one
     */
    public long chunk(int group) {
        return shard == Shard.COLUMNS ? Rank.chunk(columns, group) : 0;
    }
}
