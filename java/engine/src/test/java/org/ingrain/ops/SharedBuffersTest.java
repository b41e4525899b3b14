package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Graph;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.parallel.RankGroup;
import org.ingrain.parallel.TestRanks;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Collectives that work directly on registered buffers give the same bits as a plain loop. Each rank has an emulated
 * device of its own.
 */
@Timeout(120)
class SharedBuffersTest {
    private static final int CHUNKS = 2;

    private interface Part {
        void run(Context context, int rank);
    }

    /** Buffers of one rank: partial sums x (chunks, n), y (n), slice (n / ranks), gathered (ranks, m), sent (m). */
    private record Buffers(Tensor x, Tensor y, Tensor slice, Tensor gathered, Tensor sent) {
        static Buffers of(Context context, DType dtype, int ranks, int n, int m) {
            return new Buffers(context.allocateShared(DType.F32, CHUNKS, n), context.allocateShared(dtype, n),
                    context.allocate(dtype, n / ranks), context.allocateShared(DType.F32, ranks, m),
                    context.allocateShared(DType.F32, m));
        }

        void write(Context context, int rank, int seed) {
            context.write(x, values(rank, seed, Math.toIntExact(x.elements())));
            context.write(sent, values(rank, seed + 1, Math.toIntExact(sent.elements())));
        }

        void communicate(Ops ops, int ranks) {
            ops.allReduce(y, x, CHUNKS);
            ops.reduceScatter(slice, x, CHUNKS);
            ops.allGather(gathered, sent);
            ops.broadcast(sent, sent, ranks - 1);
        }

        void check(Context context, int rank, int ranks, int seed) {
            int n = Math.toIntExact(y.elements());
            int m = Math.toIntExact(sent.elements());
            float[] sums = sums(ranks, seed, n);
            assertArrayEquals(Floats.rounded(y.dtype(), sums), read(context, y), "all_reduce of " + n);
            assertArrayEquals(Floats.rounded(y.dtype(),
                    Floats.slice(sums, (long) rank * n / ranks, (rank + 1L) * n / ranks)), read(context, slice),
                    "reduce_scatter of " + n);
            for (int r = 0; r < ranks; r++) {
                assertArrayEquals(values(r, seed + 1, m), read(context, gathered.rows(r, r + 1)), "part of rank " + r);
            }
            assertArrayEquals(values(ranks - 1, seed + 1, m), read(context, sent), "broadcast of " + m);
        }
    }

    /** Tests sizes below and above the one-shot limit (256 KiB per rank), and sizes with an incomplete vector. */
    @ParameterizedTest(name = "{0} ranks, threads {1}")
    @CsvSource({"2, ascending", "8, ascending", "8, descending"})
    void haveTheBitsOfAPlainSum(int ranks, String order) {
        onRanks(ranks, order, (context, rank) -> {
            Ops ops = new Ops(context);
            int seed = 0;
            for (DType dtype : List.of(DType.F32, DType.BF16)) {
                for (int n : new int[] {ranks, 1003 * ranks, 4127 * 8, 33_008}) {
                    Buffers buffers = Buffers.of(context, dtype, ranks, n, 1 + n / 7);
                    buffers.write(context, rank, seed);
                    buffers.communicate(ops, ranks);
                    buffers.check(context, rank, ranks, seed);
                    seed += 2;
                }
            }
        });
    }

    @Test
    void areReplayedByAGraph() {
        int ranks = 8;
        onRanks(ranks, "ascending", (context, rank) -> {
            Ops ops = new Ops(context);
            List<Buffers> all = List.of(Buffers.of(context, DType.BF16, ranks, 264, 5),
                    Buffers.of(context, DType.F32, ranks, 33_000, 64));
            context.beginGraph();
            all.forEach(buffers -> buffers.communicate(ops, ranks));
            Graph graph = context.endGraph();
            for (int seed = 0; seed < 3; seed++) {
                for (Buffers buffers : all) {
                    buffers.write(context, rank, seed);
                }
                graph.launch();
                for (Buffers buffers : all) {
                    buffers.check(context, rank, ranks, seed);
                }
            }
        });
    }

    /** The input of each rank is its part of the output buffer. The offset of this part differs between the ranks. */
    @Test
    void aRankGathersItsOwnPartInPlace() {
        int ranks = 3;
        onRanks(ranks, "ascending", (context, rank) -> {
            Tensor all = context.allocateShared(DType.F32, ranks, 32);
            Tensor own = all.rows(rank, rank + 1);
            context.write(own, values(rank, 7, 32));
            new Ops(context).allGather(all, own);
            for (int r = 0; r < ranks; r++) {
                assertArrayEquals(values(r, 7, 32), read(context, all.rows(r, r + 1)));
            }
        });
    }

    /** Tests which kernel runs: staged, one shot or two shots. A buffer is no longer registered after it is freed. */
    @Test
    void theKernelDependsOnRegistrationAndSize() {
        onRanks(2, "ascending", (context, rank) -> {
            Ops ops = new Ops(context);
            Tensor x = context.allocateShared(DType.F32, 1, 65_540);
            Tensor y = context.allocateShared(DType.F32, 65_540);
            Tensor other = context.allocate(DType.F32, 1, 65_540);
            requireKernel(context, () -> ops.allReduce(y, x, 1), "sum_in_place<float, 4, true>");
            requireKernel(context, () -> ops.allReduce(y.slice(0, 65_536), x.slice(0, 65_536), 1),
                    "sum_in_place<float, 4, false>");
            requireKernel(context, () -> ops.allReduce(y, other, 1), "::reduce<float, 4>");
            context.free(x);
            Tensor again = context.allocate(DType.F32, 1, 65_540);
            requireKernel(context, () -> ops.allReduce(y, again, 1), "::reduce<float, 4>");
        });
    }

    private static void requireKernel(Context context, Runnable op, String kernel) {
        List<String> lines = context.trace(op);
        assertTrue(lines.size() == 1 && lines.getFirst().contains(kernel), () -> lines + ", expected " + kernel);
        context.synchronize();
    }

    private static float[] values(int rank, int seed, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = ((i * 7919 + rank * 104_729 + seed * 1_299_709) % 20_011 - 10_005) / 997f;
        }
        return values;
    }

    /** The sums (n), added in the order of the ranks and, within a rank, in the order of the chunks. */
    private static float[] sums(int ranks, int seed, int n) {
        float[] sums = null;
        for (int r = 0; r < ranks; r++) {
            float[] x = values(r, seed, CHUNKS * n);
            for (int c = 0; c < CHUNKS; c++) {
                float[] chunk = Floats.slice(x, (long) c * n, (c + 1L) * n);
                sums = sums == null ? chunk : Floats.sum(sums, chunk);
            }
        }
        return sums;
    }

    private static float[] read(Context context, Tensor tensor) {
        if (tensor.dtype() == DType.F32) {
            return context.readFloats(tensor);
        }
        Tensor floats = context.allocate(DType.F32, tensor.elements());
        new Ops(context).convert(floats, tensor.view(tensor.elements()));
        float[] values = context.readFloats(floats);
        context.free(floats);
        return values;
    }

    private static void onRanks(int ranks, String order, Part part) {
        try (Backend backend = Backend.open(NativeLibraries.find("simt"));
                Communicator communicator = new Communicator(backend, ranks);
                RankGroup group = TestRanks.group(communicator)) {
            List<Context> contexts = IntStream.range(0, ranks)
                    .mapToObj(rank -> backend.context(new ContextOptions(rank, 1, order))).toList();
            group.run(rank -> {
                contexts.get(rank).join(communicator, rank);
                part.run(contexts.get(rank), rank);
                contexts.get(rank).synchronize();
                return null;
            });
            contexts.forEach(Context::close);
        }
    }
}
