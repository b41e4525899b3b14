package org.ingrain.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.stream.LongStream;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.Event;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Copies parameters from a file or from host memory into packed weights, one slab of rows at a time, so that no full
 * second copy of a matrix is needed. Two lanes, each with pinned host memory and a device slab, are used alternately:
 * the host fills one lane while the device copies and packs the rows in the other. A device that computes in host
 * memory needs no separate device slab. A rank's part of a column-sharded matrix is gathered row by row during the
 * copy.
 *
 * <p>The file is read and not mapped, because the pages of a mapping count as memory of the process. Also, if the file
 * is truncated during the load, a read throws an exception, whereas access to a mapping in native code would end the
 * process with SIGBUS.
 */
final class WeightLoader implements AutoCloseable {
    private static final long SLAB_BYTES = 16L << 20;
    /** Slab size on a device that computes in host memory. Small slabs stay in the processor's cache. */
    private static final long HOST_SLAB_BYTES = 4L << 20;
    private static final long PIECE_BYTES = 1L << 20;

    private final Context context;
    private final Ops ops;
    private final WeightSource source;
    private final Rank rank;
    private final List<Lane> lanes;
    private final boolean asynchronous;
    private final long slab;
    private int turn;

    /**
     * One of the two lanes.
     *
     * @param host   pinned memory
     * @param device device memory of the same size, or the host memory itself
     * @param used   event recorded after the last use of the two buffers; they can be reused when the event is complete
     */
    private record Lane(MemorySegment host, Tensor device, Event used) {
        static Lane of(Context context, long bytes) {
            MemorySegment host = context.hostAllocate(bytes);
            Lane lane = new Lane(host, context.device().asynchronous()
                    ? context.allocate(DType.F32, bytes / Float.BYTES) : context.hostTensor(host),
                    context.event());
            lane.used.record();
            return lane;
        }
    }

    /** Columns [first, first + count) of a matrix that has {@code of} columns in all. */
    private record Columns(long of, long first, long count) {
        boolean all() {
            return count == of;
        }
    }

    /** Enqueues an op that reads rows on the device. */
    private interface Use {
        void accept(Tensor rows);
    }

    /** @param parameters the parameters that will be loaded */
    WeightLoader(Context context, WeightSource source, Rank rank, Collection<Parameter> parameters) {
        this.context = context;
        this.ops = new Ops(context);
        this.source = source;
        this.rank = rank;
        asynchronous = context.device().asynchronous();
        long largest = parameters.stream().mapToLong(Parameter::elements).max().orElse(1);
        long row = parameters.stream().mapToLong(p -> p.matrix() ? p.columns() : p.rows()).max().orElse(1);
        slab = Math.min(Math.max(asynchronous ? SLAB_BYTES : HOST_SLAB_BYTES, row * Float.BYTES),
                largest * Float.BYTES);
        lanes = List.of(Lane.of(context, slab), Lane.of(context, slab));
    }

    /** Copies this rank's share of a vector, converted to the target's dtype. */
    void vector(Tensor target, Parameter p) {
        HostTensor tensor = tensor(p);
        long count = p.rows(rank);
        Columns share = new Columns(p.rows(), p.firstRow(rank), count);
        upload(tensor, 0, 1, share, rows -> ops.convert(target, rows.view(count)));
    }

    /** Copies this rank's share of a matrix to the target's rows starting at {@code row}. */
    void matrix(Weight target, long row, Parameter p) {
        try (QuantizedMatrix stored = source.quantized(p)) {
            if (stored != null) {
                quantized(target, row, p, stored);
                return;
            }
        }
        HostTensor tensor = tensor(p);
        long rows = p.rows(rank);
        long firstRow = p.firstRow(rank);
        long count = p.columns(rank);
        Columns columns = new Columns(p.columns(), p.firstColumn(rank), count);
        long step = Math.max(1, slab / (count * tensor.dtype().bytes()));
        for (long r = 0; r < rows; r += step) {
            long at = row + r;
            upload(tensor, firstRow + r, Math.min(step, rows - r), columns, part -> ops.pack(target, part, at));
        }
    }

    /**
     * Copies this rank's share of a quantized matrix. The integers and scales are kept if the target has the same
     * format; otherwise the target is packed from the dequantized elements.
     */
    private void quantized(Weight target, long row, Parameter p, QuantizedMatrix stored) {
        Weight.Format format = stored.format();
        boolean kept = target.dtype() == format.dtype() && target.format().group() == format.group()
                && target.format().zeros() == format.zeros();
        long columns = p.columns(rank);
        long rows = p.rows(rank);
        long step = kept ? QuantizedRows.fitting(slab, format, columns)
                : Math.max(1, slab / (columns * Float.BYTES));
        try (Arena arena = Arena.ofShared()) {
            MemorySegment integers = kept ? null : arena.allocate(slab, Long.BYTES);
            for (long r = 0; r < rows; r += step) {
                Lane lane = next();
                QuantizedRows part = QuantizedRows.in(kept ? lane.host : integers, format, Math.min(step, rows - r),
                        columns);
                stored.read(part, p.firstRow(rank) + r, p.firstColumn(rank));
                if (kept) {
                    toDevice(lane, part.memory().byteSize());
                    pack(target, lane.device.view(DType.INT8, slab), part, row + r);
                } else {
                    part.dequantize(lane.host);
                    toDevice(lane, part.rows() * columns * Float.BYTES);
                    ops.pack(target, lane.device.view(part.rows(), columns), row + r);
                }
                lane.used.record();
            }
        }
    }

    /** Packs rows on the device. {@code memory} must begin with a copy of the bytes of {@code part}. */
    private void pack(Weight target, Tensor memory, QuantizedRows part, long row) {
        long groups = part.groups();
        Tensor zeros = !part.format().zeros() ? null
                : memory.slice(part.zerosOffset(), part.rows() * groups).view(part.rows(), groups);
        ops.packQuantized(target, memory.view(part.rows(), part.rowBytes()),
                memory.slice(part.scalesOffset(), part.rows() * groups * Short.BYTES)
                        .view(DType.F16, part.rows(), groups), zeros, row);
    }

    /** The lane to fill next. The host waits only until the previous use of this lane is complete. */
    private Lane next() {
        Lane lane = lanes.get(turn++ % lanes.size());
        lane.used.await();
        return lane;
    }

    /** Copies the first bytes of the lane's host memory to its device memory. */
    private void toDevice(Lane lane, long bytes) {
        if (asynchronous) {
            context.copyToDevice(lane.device, lane.host.asSlice(0, bytes));
        }
    }

    private HostTensor tensor(Parameter p) {
        HostTensor tensor = source.tensor(p.name());
        if (!Arrays.equals(tensor.shape(), p.shape())) {
            throw new InputException(p.name() + ": shape " + Arrays.toString(tensor.shape()) + ", expected "
                    + Arrays.toString(p.shape()) + " from config.json");
        }
        return tensor;
    }

    /** Copies rows to the device. Then calls {@code use}, which enqueues an op that reads these rows. */
    private void upload(HostTensor tensor, long firstRow, long rows, Columns columns, Use use) {
        long size = tensor.dtype().bytes();
        long bytes = rows * columns.count * size;
        Lane lane = next();
        if (columns.all()) {
            read(tensor, firstRow * columns.of * size, lane.host.asSlice(0, bytes));
        } else {
            long width = columns.count * size;
            for (long r = 0; r < rows; r++) {
                tensor.reader().read(((firstRow + r) * columns.of + columns.first) * size,
                        lane.host.asSlice(r * width, width));
            }
        }
        toDevice(lane, bytes);
        use.accept(lane.device.view(tensor.dtype(), rows, columns.count));
        lane.used.record();
    }

    /** Fills a buffer. Uses all cores, because the speed of a single core limits reads from the page cache. */
    private static void read(HostTensor from, long offset, MemorySegment to) {
        LongStream.range(0, Math.ceilDiv(to.byteSize(), PIECE_BYTES)).parallel().forEach(piece -> {
            long begin = piece * PIECE_BYTES;
            from.reader().read(offset + begin, to.asSlice(begin, Math.min(PIECE_BYTES, to.byteSize() - begin)));
        });
    }

    @Override
    public void close() {
        for (Lane lane : lanes) {
            lane.used.close();
            if (asynchronous) {
                context.free(lane.device);
            }
            context.hostFree(lane.host);
        }
    }
}
