package org.ingrain.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Copies parameters from host memory into packed weights, a slab of rows at a time through one device buffer, so that no second copy
 * of a matrix exists. A rank's part of a column-sharded matrix is gathered row by row into the slab.
 */
final class WeightLoader implements AutoCloseable {
    private static final long SLAB_BYTES = 16L << 20;

    private final Context context;
    private final Ops ops;
    private final WeightSource source;
    private final Rank rank;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment host = arena.allocate(SLAB_BYTES, 64);
    private final Tensor slab;

    WeightLoader(Context context, WeightSource source, Rank rank) {
        this.context = context;
        this.ops = new Ops(context);
        this.source = source;
        this.rank = rank;
        slab = context.allocate(DType.F32, SLAB_BYTES / Float.BYTES);
    }

    /** A norm's weight (D), converted to the target's dtype. */
    void vector(Tensor target, String name) {
        HostTensor tensor = source.tensor(name);
        LlamaWeights.requireShape(name, tensor, target.elements());
        ops.convert(target, upload(tensor, 0, 1, new Columns(tensor.elements(), 0, tensor.elements())).view(tensor.elements()));
        context.synchronize();
    }

    /** All rows of a matrix, written from {@code row} on. */
    void packRows(Weight target, long row, String name, long rows, long columns) {
        HostTensor tensor = source.tensor(name);
        LlamaWeights.requireShape(name, tensor, rows, columns);
        pack(target, row, tensor, 0, rows, new Columns(columns, 0, columns));
    }

    /** This rank's share of a matrix's rows, written from {@code row} on; returns how many. */
    long packShardOfRows(Weight target, long row, String name, long rows, long columns) {
        HostTensor tensor = source.tensor(name);
        LlamaWeights.requireShape(name, tensor, rows, columns);
        long share = rows / rank.count();
        pack(target, row, tensor, rank.index() * share, share, new Columns(columns, 0, columns));
        return share;
    }

    /** This rank's share of a matrix's columns. */
    void packShardOfColumns(Weight target, String name, long rows, long columns) {
        HostTensor tensor = source.tensor(name);
        LlamaWeights.requireShape(name, tensor, rows, columns);
        long share = columns / rank.count();
        pack(target, 0, tensor, 0, rows, new Columns(columns, rank.index() * share, share));
    }

    /** Columns [first, first + count) of rows that are {@code of} columns long. */
    private record Columns(long of, long first, long count) {
    }

    private void pack(Weight target, long targetRow, HostTensor tensor, long firstRow, long rows, Columns columns) {
        long step = Math.max(1, SLAB_BYTES / (columns.count * tensor.dtype().bytes()));
        for (long r = 0; r < rows; r += step) {
            long n = Math.min(step, rows - r);
            ops.pack(target, upload(tensor, firstRow + r, n, columns), targetRow + r);
            context.synchronize();
        }
    }

    private Tensor upload(HostTensor tensor, long firstRow, long rows, Columns columns) {
        long size = tensor.dtype().bytes();
        long bytes = rows * columns.count * size;
        Tensor part = slab.view(tensor.dtype(), rows, columns.count);
        if (columns.count == columns.of) {
            context.copyToDevice(part, tensor.data().asSlice(firstRow * columns.of * size, bytes));
            return part;
        }
        for (long r = 0; r < rows; r++) {
            MemorySegment.copy(tensor.data(), ((firstRow + r) * columns.of + columns.first) * size, host, r * columns.count * size,
                    columns.count * size);
        }
        context.copyToDevice(part, host.asSlice(0, bytes));
        return part;
    }

    @Override
    public void close() {
        context.free(slab);
        arena.close();
    }
}
