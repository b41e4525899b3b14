package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.model.Parameter;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.train.pass.FlatParameters.Region;

/**
 * A rank's shard of the adapter of one projection with weight W. If the rows of W are sharded, the rank has all of A
 * and the rows of B that correspond to the rank's rows of W. If the columns of W are sharded, the rank has the columns
 * of A that correspond to the rank's columns of W, and all of B.
 *
 * @param r           rank R of the adapter
 * @param columns     C, the number of columns of the whole A
 * @param firstColumn first column of A on this rank
 * @param ownColumns  number of columns of A on this rank
 * @param rows        N, the number of rows of the whole B
 * @param firstRow    first row of B on this rank
 * @param ownRows     number of rows of B on this rank
 * @param sharers     number of ranks with the same rows of B; more than 1 if there are more ranks than key-value heads
 */
record LoraShare(int r, long columns, long firstColumn, long ownColumns, long rows, long firstRow, long ownRows,
        int sharers) {
    static LoraShare of(Projection projection, Parameter weight, int r, Rank rank) {
        if (projection.ofModel()) {   // every rank computes with all embeddings and all logits
            long inputs = projection.inputs(weight);
            long outputs = projection.outputs(weight);
            return new LoraShare(r, inputs, 0, inputs, outputs, 0, outputs, 1);
        }
        long ownRows = weight.rows(rank);
        int sharers = weight.shard() == Parameter.Shard.ROWS
                ? Math.toIntExact(ownRows * rank.count() / weight.rows()) : 1;
        return new LoraShare(r, weight.columns(), weight.firstColumn(rank), weight.columns(rank), weight.rows(),
                weight.firstRow(rank), ownRows, sharers);
    }

    boolean sharesColumns() {
        return ownColumns < columns;
    }

    /** Whether the gradient of x·Aᵀ is a sum over ranks. */
    boolean sharesRows() {
        return ownRows < rows || sharers > 1;
    }

    Region ofA() {
        return sharesColumns() ? Region.OWN : Region.WHOLE;
    }

    Region ofB() {
        return sharers > 1 ? Region.SHARED : sharesRows() ? Region.OWN : Region.WHOLE;
    }

    /** The shape (1, R, ownColumns). */
    long[] shapeA() {
        return new long[] {1, r, ownColumns};
    }

    /** The shape (1, ownRows, R). */
    long[] shapeB() {
        return new long[] {1, ownRows, r};
    }

    /**
     * A range of elements that is contiguous in the whole matrix and in this rank's shard.
     *
     * @param whole    index of the first element in the whole matrix
     * @param own      index of the first element in the shard
     * @param elements number of elements
     */
    record Run(long whole, long own, long elements) {
    }

    /** Returns one run for each row of A, or a single run if this rank has all of A. */
    List<Run> runsA() {
        if (!sharesColumns()) {
            return List.of(new Run(0, 0, r * columns));
        }
        List<Run> runs = new ArrayList<>();
        for (long row = 0; row < r; row++) {
            runs.add(new Run(row * columns + firstColumn, row * ownColumns, ownColumns));
        }
        return runs;
    }

    List<Run> runsB() {
        return List.of(new Run(firstRow * r, 0, ownRows * r));
    }
}
