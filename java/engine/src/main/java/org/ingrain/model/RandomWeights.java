package org.ingrain.model;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Fills weights with random numbers. Each rank draws the rows of the whole matrix in checkpoint order and keeps its
 * share. The model therefore depends neither on the backend's packing nor on the number of ranks.
 */
final class RandomWeights {
    private static final long SLAB_ELEMENTS = 8L << 20;

    private final Weights weights;
    private final Context context;
    private final Ops ops;
    private long seed;

    RandomWeights(Weights weights, long seed) {
        this.weights = weights;
        this.seed = seed;
        context = weights.context();
        ops = new Ops(context);
    }

    void fill() {
        ParameterTable parameters = weights.parameters();
        for (int layer = Group.MODEL; layer < weights.config().numHiddenLayers(); layer++) {
            for (Group group : parameters.groups(layer)) {
                if (weights.vector(group) != null) {
                    fill(weights.vector(group), parameters.fused(group).init() == Parameter.Init.ONES ? 1 : 0);
                    continue;
                }
                if (group.equals(parameters.head()) && weights.headIsShared() && !group.equals(Group.LM_HEAD)) {
                    fill(weights.lmHead(), group, parameters.headParameter());
                }
                fill(weights.matrix(group), group, null);
                seed++;
            }
        }
    }

    /**
     * Draws a group one slab (range of rows) at a time and keeps this rank's share of each fused parameter. If
     * {@code only} is not null, keeps only the share of that parameter.
     */
    private void fill(Weight matrix, Group group, Parameter only) {
        Parameter whole = weights.parameters().fused(group);
        long step = Math.clamp(SLAB_ELEMENTS / whole.columns(), 1, whole.rows());
        Tensor slab = context.allocate(matrix.dtype() == DType.F32 ? DType.F32 : DType.BF16, step, whole.columns());
        Columns columns = whole.columns() == matrix.columns() ? null : new Columns(slab, matrix.columns());
        for (long row = 0; row < whole.rows(); row += step) {
            Tensor rows = slab.rows(0, Math.min(step, whole.rows() - row));
            ops.randomNormal(rows, Parameter.Init.NORMAL.deviation(weights.layers().size()), seed + (row << 32));
            Tensor part = columns == null ? rows : columns.of(rows);
            if (only != null) {
                keep(matrix, part, row, new Share(only.firstRow(weights.rank()), only.rows(weights.rank()), 0));
                continue;
            }
            long first = 0;
            for (Parameter p : weights.parameters().parts(group)) {
                keep(matrix, part, row, new Share(first + p.firstRow(weights.rank()), p.rows(weights.rank()),
                        weights.parameters().firstRow(p, weights.rank())));
                first += p.rows();
            }
        }
        if (columns != null) {
            columns.free();
        }
        context.free(slab);
    }

    /**
     * A range of rows of a group that this rank holds. {@code from} is the index of the range's first row among all
     * rows of the group. {@code to} is the index of this row among the rows on this rank.
     */
    private record Share(long from, long rows, long to) {
    }

    /**
     * Packs the part of a slab that is in this rank's share. {@code row} is the slab's first row in the whole group.
     */
    private void keep(Weight matrix, Tensor slab, long row, Share share) {
        long begin = Math.max(row, share.from);
        long end = Math.min(row + slab.size(0), share.from + share.rows);
        if (begin < end) {
            ops.pack(matrix, slab.rows(begin - row, end - row), share.to + begin - share.from);
        }
    }

    /** Extracts this rank's columns of a slab. */
    private final class Columns {
        private final Tensor part;
        private final Tensor order;
        private final long parts;

        Columns(Tensor slab, long count) {
            parts = slab.size(1) / count;
            part = context.allocate(slab.dtype(), slab.size(0), count);
            order = context.allocate(DType.I32, slab.size(0));
            context.write(order, IntStream.range(0, Math.toIntExact(slab.size(0)))
                    .map(row -> Math.toIntExact(row * parts + weights.rank().index())).toArray());
        }

        Tensor of(Tensor rows) {
            Tensor taken = part.rows(0, rows.size(0));
            ops.gatherRows(taken, rows.view(rows.size(0) * parts, part.size(1)), order.rows(0, rows.size(0)));
            return taken;
        }

        void free() {
            context.free(part);
            context.free(order);
        }
    }

    private void fill(Tensor vector, float value) {
        float[] values = new float[Math.toIntExact(vector.elements())];
        Arrays.fill(values, value);
        Tensor staged = context.allocate(DType.F32, values.length);
        context.write(staged, values);
        ops.convert(vector, staged);
        context.free(staged);
    }
}
