package org.ingrain.ops;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * rope_cache.cc. The rotated rows are compared with libtorch. The layout of the cache is backend-specific, so the cache
 * is compared with the cache that the trusted rope and kv_cache_write produce.
 */
class RopeCacheParityTest extends ParityTest {
    /** Block size, H, K, E, then the first position and the number of rows of each sequence. */
    private static final int[][] SIZES = {{16, 1, 1, 2, 4001, 1}, {16, 8, 1, 64, 0, 7, 31, 1, 15, 18},
            {32, 6, 3, 48, 100, 1, 0, 1, 63, 70}, {32, 8, 2, 128, 2047, 3}, {16, 3, 1, 66, 14, 4}};

    /** Inputs of the op, and the number of blocks in its cache. */
    record Inputs(ParityCheck.Data qkv, ParityCheck.Data table, int[] positions, Batch batch, Heads heads,
            long blocks) {
        static Inputs of(ParityCheck lab, DType dtype, int[] size) {
            var heads = new Heads(size[1], size[2], size[3], 1);
            int sequences = size.length / 2 - 2;
            List<Integer> positions = new ArrayList<>();
            int[] offsets = new int[sequences + 1];
            int maxBlocks = 0;
            for (int s = 0; s < sequences; s++) {
                int end = size[4 + 2 * s] + size[5 + 2 * s];
                IntStream.range(size[4 + 2 * s], end).forEach(positions::add);
                offsets[s + 1] = positions.size();
                maxBlocks = Math.max(maxBlocks, Math.ceilDiv(end, size[0]));
            }
            List<Integer> table = IntStream.range(0, sequences * maxBlocks).boxed().collect(Collectors.toList());
            Collections.shuffle(table, lab.random());
            int[] rows = positions.stream().mapToInt(i -> i).toArray();
            Batch batch = lab.context().batch(rows.length, sequences, maxBlocks, size[0]);
            lab.context().write(batch.sequenceOffsets(), offsets);
            lab.context().write(batch.positions(), rows);
            lab.context().write(batch.blockTables(), table.stream().mapToInt(i -> i).toArray());
            batch.use(rows.length, sequences, false);
            ParityCheck.Data angles = lab.data(DType.F32, RopeParityTest.table(size[3]), RopeParityTest.POSITIONS,
                    size[3]);
            return new Inputs(lab.normal(dtype, rows.length, heads.columns()), angles, rows, batch, heads,
                    table.size());
        }

        /** A cache of zeros. */
        Tensor cache(ParityCheck lab, DType dtype) {
            long bytes = lab.context().kvCacheBlockBytes(dtype, batch.blockSize(), heads.k(), heads.e());
            return lab.context().allocateZero(dtype, blocks, bytes / dtype.bytes());
        }

        /** A copy of qkv. */
        Tensor rows(ParityCheck lab) {
            Tensor copy = lab.output(qkv.tensor().dtype(), positions.length, heads.columns());
            lab.context().copy(copy, qkv.tensor());
            return copy;
        }

        void fused(Ops ops, Tensor rows, Tensor cache) {
            ops.fused().ropeCache(rows, cache, table.tensor(), batch, heads);
        }

        void parts(Ops ops, Tensor rows, Tensor cache) {
            ops.rope(rows, table.tensor(), batch.positions(), heads);
            ops.kvCacheWrite(cache, rows, batch, heads);
        }
    }

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (DType dtype : FLOATS) {
            for (DType cache : FLOATS) {
                checks.add(new Check("rope_cache_forward", dtype + ", cache " + cache,
                        lab -> rotateAndWrite(lab, dtype, cache)));
            }
        }
        return checks;
    }

    private static void rotateAndWrite(ParityCheck lab, DType dtype, DType cacheDtype) {
        for (int[] size : SIZES) {
            Inputs in = Inputs.of(lab, dtype, size);
            float[] expected = lab.reference(torch -> Torch.floats(RopeParityTest.rope(torch, torch.array(
                    in.qkv.values(), in.positions.length, in.heads.columns()), in.table.values(), in.positions,
                    in.heads)));
            Tensor rows = in.rows(lab);
            Tensor cache = in.cache(lab, cacheDtype);
            in.fused(lab.ops(), rows, cache);
            lab.expect("qkv", expected, rows, ParityTolerance.of(dtype, 2));
            Tensor other = in.cache(lab, cacheDtype);
            in.parts(lab.trusted(), in.rows(lab), other);
            lab.expect("cache", lab.floats(other), cache, ParityTolerance.exact());
        }
    }

    /** The types of a cache on this target. */
    static List<DType> caches(TestTarget target) {
        return target.gpu() ? List.of(DType.F32, DType.BF16, DType.F8E4M3) : FLOATS;
    }

    static int[][] sizes() {
        return SIZES;
    }
}
