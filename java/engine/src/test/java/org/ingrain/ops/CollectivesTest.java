package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.ingrain.ffi.Communicator;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Collectives, with one thread and one context per rank. If ranks share a device, an allocation of one rank may wait
 * for a kernel of another, which waits for the first rank: a deadlock. So all ranks allocate before the first
 * collective and free after the last.
 */
@Timeout(120)
class CollectivesTest extends ParityTest {
    private static final int CHUNKS = 8;

    /**
     * The work of one rank. It must call {@code together}, a barrier of all ranks, before its first collective and
     * after its last.
     */
    private interface Part<R> {
        R run(ParityCheck rank, int number, Runnable together) throws Exception;
    }

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (int ranks : new int[] {1, 2, 8}) {
            for (DType dtype : FLOATS) {
                checks.add(new Check("all_reduce", dtype + " over " + ranks, lab -> allReduce(lab, dtype, ranks)));
            }
            checks.add(new Check("all_reduce", "sizes in turn over " + ranks, lab -> sizesInTurn(lab, ranks)));
            checks.add(new Check("all_gather", "over " + ranks, lab -> allGather(lab, ranks)));
            checks.add(new Check("reduce_scatter", "over " + ranks, lab -> reduceScatter(lab, ranks)));
            checks.add(new Check("broadcast", "over " + ranks, lab -> broadcast(lab, ranks)));
        }
        return checks;
    }

    /**
     * Eight chunks in total for any number of ranks, so the order of summation and the result are the same. Runs twice,
     * since the second call reuses the memory of the first.
     */
    private static void allReduce(ParityCheck lab, DType dtype, int ranks) {
        for (int n : new int[] {1, 7, 127, 4099}) {
            float[] partials = lab.normal(DType.F32, CHUNKS, n).values();
            float[] sums = Floats.slice(partials, 0, n);
            for (int chunk = 1; chunk < CHUNKS; chunk++) {
                sums = Floats.sum(sums, Floats.slice(partials, (long) chunk * n, (chunk + 1L) * n));
            }
            float[] expected = Floats.rounded(dtype, sums);
            int own = CHUNKS / ranks;
            List<float[]> results = onRanks(lab, ranks, (rank, number, together) -> {
                float[] mine = Floats.slice(partials, (long) number * own * n, (number + 1L) * own * n);
                Tensor x = rank.data(DType.F32, mine, own, n).tensor();
                Tensor first = rank.output(dtype, n);
                Tensor second = rank.output(dtype, n);
                together.run();
                rank.ops().allReduce(first, x, own);
                rank.ops().allReduce(second, x, own);
                rank.context().synchronize();
                together.run();
                rank.assertGuards();
                assertArrayEquals(rank.floats(first), rank.floats(second), "again");
                return rank.floats(second);
            });
            for (float[] result : results) {
                assertArrayEquals(expected, result, "sum of " + n);
            }
        }
    }

    /** Messages of many lengths through one communicator; the longest exceeds what ranks exchange in one step. */
    private static void sizesInTurn(ParityCheck lab, int ranks) {
        int own = CHUNKS / ranks;
        int[] sizes = {4099, 5, 150_001, 64, 70_000, 1};
        List<float[]> partials = new ArrayList<>();
        for (int n : sizes) {
            partials.add(lab.normal(DType.F32, CHUNKS, n).values());
        }
        List<List<float[]>> results = onRanks(lab, ranks, (rank, number, together) -> {
            List<Tensor> sums = new ArrayList<>();
            List<Tensor> parts = new ArrayList<>();
            for (int i = 0; i < sizes.length; i++) {
                int n = sizes[i];
                sums.add(rank.output(DType.F32, n));
                float[] mine = Floats.slice(partials.get(i), (long) number * own * n, (number + 1L) * own * n);
                parts.add(rank.data(DType.F32, mine, own, n).tensor());
            }
            together.run();
            for (int i = 0; i < sizes.length; i++) {
                rank.ops().allReduce(sums.get(i), parts.get(i), own);
            }
            rank.context().synchronize();
            together.run();
            rank.assertGuards();
            return sums.stream().map(rank::floats).toList();
        });
        for (int i = 0; i < sizes.length; i++) {
            int n = sizes[i];
            float[] expected = Floats.slice(partials.get(i), 0, n);
            for (int chunk = 1; chunk < CHUNKS; chunk++) {
                expected = Floats.sum(expected, Floats.slice(partials.get(i), (long) chunk * n, (chunk + 1L) * n));
            }
            for (List<float[]> result : results) {
                assertArrayEquals(expected, result.get(i), "sum of " + n);
            }
        }
    }

    private static void allGather(ParityCheck lab, int ranks) {
        for (int n : new int[] {1, 7, 4099}) {
            for (DType dtype : FLOATS) {
                float[] all = lab.normal(dtype, ranks, n).values();
                List<float[]> results = onRanks(lab, ranks, (rank, number, together) -> {
                    Tensor y = rank.output(dtype, ranks, n);
                    Tensor x = rank.data(dtype, Floats.slice(all, (long) number * n, (number + 1L) * n), n).tensor();
                    together.run();
                    rank.ops().allGather(y, x);
                    rank.context().synchronize();
                    together.run();
                    rank.assertGuards();
                    return rank.floats(y);
                });
                results.forEach(result -> assertArrayEquals(all, result, "gathered " + n));
            }
        }
    }

    /** Each rank's slice of the sum has the same bits as the result of all_reduce. */
    private static void reduceScatter(ParityCheck lab, int ranks) {
        int own = CHUNKS / ranks;
        for (int slice : new int[] {1, 7, 516, 4099}) {
            int n = ranks * slice;
            float[] partials = lab.normal(DType.F32, CHUNKS, n).values();
            float[] sums = Floats.slice(partials, 0, n);
            for (int chunk = 1; chunk < CHUNKS; chunk++) {
                sums = Floats.sum(sums, Floats.slice(partials, (long) chunk * n, (chunk + 1L) * n));
            }
            for (DType dtype : FLOATS) {
                List<float[]> results = onRanks(lab, ranks, (rank, number, together) -> {
                    float[] mine = Floats.slice(partials, (long) number * own * n, (number + 1L) * own * n);
                    Tensor x = rank.data(DType.F32, mine, own, n).tensor();
                    Tensor y = rank.output(dtype, slice);
                    together.run();
                    rank.ops().reduceScatter(y, x, own);
                    rank.context().synchronize();
                    together.run();
                    rank.assertGuards();
                    return rank.floats(y);
                });
                for (int r = 0; r < ranks; r++) {
                    float[] expected = Floats.slice(sums, (long) r * slice, (r + 1L) * slice);
                    assertArrayEquals(Floats.rounded(dtype, expected), results.get(r), "slice of " + slice);
                }
            }
        }
    }

    /** Broadcasts from the last rank, then in place from the first. */
    private static void broadcast(ParityCheck lab, int ranks) {
        for (int n : new int[] {1, 7, 4099, 4112}) {
            for (DType dtype : FLOATS) {
                float[] all = lab.normal(dtype, ranks, n).values();
                List<List<float[]>> results = onRanks(lab, ranks, (rank, number, together) -> {
                    Tensor y = rank.output(dtype, n);
                    Tensor x = rank.data(dtype, Floats.slice(all, (long) number * n, (number + 1L) * n), n).tensor();
                    together.run();
                    rank.ops().broadcast(y, x, ranks - 1);
                    rank.ops().broadcast(x, x, 0);
                    rank.context().synchronize();
                    together.run();
                    rank.assertGuards();
                    return List.of(rank.floats(y), rank.floats(x));
                });
                for (List<float[]> result : results) {
                    assertArrayEquals(Floats.slice(all, (ranks - 1L) * n, (long) ranks * n), result.get(0), "of last");
                    assertArrayEquals(Floats.slice(all, 0, n), result.get(1), "in place, from the first");
                }
            }
        }
    }

    /** One rank of two waits for a second that never comes. Destroying the communicator ends its wait with an error. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void destroyingTheCommunicatorEndsAWait(TestTarget target) throws Exception {
        try (ParityCheck lab = target.open(); ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Communicator communicator = new Communicator(lab.context().backend(), 2);
            lab.context().join(communicator, 0);
            Tensor y = lab.output(DType.F32, 7);
            Tensor x = lab.normal(DType.F32, 1, 7).tensor();
            Future<?> waiting = threads.submit(() -> lab.ops().allReduce(y, x, 1));
            try {
                waiting.get(300, TimeUnit.MILLISECONDS);
            } catch (java.util.concurrent.TimeoutException e) {
                communicator.close();
            }
            assertInstanceOf(BackendException.class, org.junit.jupiter.api.Assertions.assertThrows(
                    ExecutionException.class, () -> waiting.get(20, TimeUnit.SECONDS)).getCause());
        }
    }

    /** The same after one completed collective: on a GPU a kernel then waits, not the host. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void destroyingTheCommunicatorEndsAWaitAfterARound(TestTarget target) throws Exception {
        try (ParityCheck lab = target.open(); ParityCheck other = target.open();
                ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Communicator communicator = new Communicator(lab.context().backend(), 2);
            lab.context().join(communicator, 0);
            other.context().join(communicator, 1);
            Tensor y = lab.output(DType.F32, 7);
            Tensor x = lab.normal(DType.F32, 1, 7).tensor();
            Tensor otherY = other.output(DType.F32, 7);
            Tensor otherX = other.normal(DType.F32, 1, 7).tensor();
            Future<?> second = threads.submit(() -> {
                other.ops().allReduce(otherY, otherX, 1);
                other.context().synchronize();
            });
            Future<?> first = threads.submit(() -> {
                lab.ops().allReduce(y, x, 1);
                lab.context().synchronize();
                lab.ops().allReduce(y, x, 1);
                lab.context().synchronize();
            });
            second.get(20, TimeUnit.SECONDS);
            try {
                first.get(300, TimeUnit.MILLISECONDS);
            } catch (java.util.concurrent.TimeoutException e) {
                communicator.close();
            }
            assertInstanceOf(BackendException.class, org.junit.jupiter.api.Assertions.assertThrows(
                    ExecutionException.class, () -> first.get(20, TimeUnit.SECONDS)).getCause());
        }
    }

    static List<TestTarget> targets() {
        return TestTarget.available();
    }

    /**
     * Runs {@code part} on all ranks and returns their results. Each rank has its own context with one CPU thread. A
     * single rank runs on {@code lab} without a communicator.
     */
    private static <R> List<R> onRanks(ParityCheck lab, int ranks, Part<R> part) {
        if (ranks == 1) {
            try {
                return List.of(part.run(lab, 0, () -> { }));
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
        try (Communicator communicator = new Communicator(lab.context().backend(), ranks);
                ExecutorService threads = Executors.newFixedThreadPool(ranks)) {
            CyclicBarrier barrier = new CyclicBarrier(ranks);
            Runnable together = () -> {
                try {
                    barrier.await(60, TimeUnit.SECONDS);
                } catch (Exception e) {
                    throw new IllegalStateException("another rank failed", e);
                }
            };
            List<Callable<R>> tasks = new ArrayList<>();
            for (int r = 0; r < ranks; r++) {
                int number = r;
                tasks.add(() -> {
                    try (ParityCheck rank = lab.target().withThreads(1).open()) {
                        rank.context().join(communicator, number);
                        return part.run(rank, number, together);
                    }
                });
            }
            List<R> results = new ArrayList<>();
            for (Future<R> future : threads.invokeAll(tasks)) {
                results.add(future.get());
            }
            return results;
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("a rank failed", e);
        }
    }
}
