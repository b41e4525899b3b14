package org.ingrain.model;

/**
 * A parameter of a model.
 *
 * @param name    in the checkpoint, as Hugging Face names it
 * @param group   the weight on the device that it is, or is a part of
 * @param rows    N, output features of a matrix; elements of a vector
 * @param columns C, input features of a matrix; 0 for a vector
 * @param shard   what a tensor-parallel rank holds of it
 * @param unit    rows of it that stay together: those of a head of keys or values, else 1
 * @param init    how a new model begins
 * @param decayed whether weight decay applies
 */
public record Parameter(String name, Group group, long rows, long columns, Shard shard, long unit, Init init,
        boolean decayed) {
    /**
     * What a rank holds: everything, its share of the rows, its share of the columns, or its share of the vocabulary's
     * rows where there are {@link #VOCABULARY_RANKS} ranks or more and they divide it.
     */
    public enum Shard { NONE, ROWS, COLUMNS, VOCABULARY }

    /** With fewer ranks the whole head costs less than bringing the logits together. */
    static final int VOCABULARY_RANKS = 4;

    /**
     * Zeros; ones; normal(0, 0.02); the same divided by √(2·layers) for what writes to the residual stream, as in
     * GPT-2.
     */
    public enum Init {
        ZEROS, ONES, NORMAL, RESIDUAL;

        /** Standard deviation in a new model with this number of layers. */
        public float deviation(int layers) {
            return switch (this) {
                case ZEROS, ONES -> 0;
                case NORMAL -> 0.02f;
                case RESIDUAL -> (float) (0.02 / Math.sqrt(2.0 * layers));
            };
        }
    }

    /** False for a vector. */
    public boolean matrix() {
        return columns > 0;
    }

    /** (N, C), or (N) of a vector. */
    public long[] shape() {
        return matrix() ? new long[] {rows, columns} : new long[] {rows};
    }

    public long elements() {
        return rows * Math.max(columns, 1);
    }

    /** Rows that a rank holds; where ranks outnumber units, several hold the same one. */
    public long rows(Rank rank) {
        return sharesRows(rank) ? Math.max(rows / rank.count(), unit) : rows;
    }

    /** The first row that a rank holds. */
    public long firstRow(Rank rank) {
        return sharesRows(rank) ? rank.index() * rows / rank.count() / unit * unit : 0;
    }

    private boolean sharesRows(Rank rank) {
        return shard == Shard.ROWS
                || shard == Shard.VOCABULARY && rank.count() >= VOCABULARY_RANKS && rows % rank.count() == 0;
    }

    /** Columns that a rank holds. */
    public long columns(Rank rank) {
        return shard == Shard.COLUMNS ? columns / rank.count() : columns;
    }

    /** The first column that a rank holds. */
    public long firstColumn(Rank rank) {
        return rank.index() * columns(rank) % Math.max(columns, 1);
    }

    /** Columns of one partial sum of a row-parallel product, 0 for one sum over all. */
    public long chunk() {
        return shard == Shard.COLUMNS ? Rank.chunk(columns) : 0;
    }
}
