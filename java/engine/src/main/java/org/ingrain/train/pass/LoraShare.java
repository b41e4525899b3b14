package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.model.Parameter;
import org.ingrain.model.Rank;
import org.ingrain.train.pass.FlatParameters.Region;

/**
 * What a rank trains of the adapter of one projection. Of a weight whose rows are shared it has all of A and the same
 * rows of B; of one whose columns are shared the same columns of A and all of B.
 *
 * @param r           rank of the adapter
 * @param columns     C of the whole A
 * @param firstColumn of A, on this rank
 * @param ownColumns  of A, on this rank
 * @param rows        N of the whole B
 * @param firstRow    of B, on this rank
 * @param ownRows     of B, on this rank
 * @param sharers     how many ranks have the same rows of B: more than one where they outnumber key-value heads
 */
record LoraShare(int r, long columns, long firstColumn, long ownColumns, long rows, long firstRow, long ownRows,
        int sharers) {
    static LoraShare of(Parameter weight, int r, Rank rank) {
        long ownRows = weight.rows(rank);
        int sharers = weight.shard() == Parameter.Shard.ROWS
                ? Math.toIntExact(ownRows * rank.count() / weight.rows()) : 1;
        return new LoraShare(r, weight.columns(), weight.firstColumn(rank), weight.columns(rank), weight.rows(),
                weight.firstRow(rank), ownRows, sharers);
    }

    boolean sharesColumns() {
        return ownColumns < columns;
    }

    /** Whether the gradient of what A yields is a sum over ranks. */
    boolean sharesRows() {
        return ownRows < rows || sharers > 1;
    }

    Region ofA() {
        return sharesColumns() ? Region.OWN : Region.WHOLE;
    }

    Region ofB() {
        return sharers > 1 ? Region.SHARED : sharesRows() ? Region.OWN : Region.WHOLE;
    }

    /** (1, R, C). */
    long[] shapeA() {
        return new long[] {1, r, ownColumns};
    }

    /** (1, N, R). */
    long[] shapeB() {
        return new long[] {1, ownRows, r};
    }

    /** Runs of elements of the whole matrix that lie one behind the other here too. */
    record Run(long whole, long own, long elements) {
    }

    /** A's rows, or all of it at once. */
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
