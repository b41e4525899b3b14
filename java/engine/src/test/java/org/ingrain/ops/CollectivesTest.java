package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.util.ArrayList;
import java.util.Arrays;
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
 * Tests collectives, with one thread and one context per rank. If two ranks share a device, a memory allocation of one
 * rank may wait for a kernel of the other. If this kernel waits for a collective of the first rank, the ranks deadlock.
 * So all ranks allocate memory before the first collective and free it after the last.
 */
@Timeout(120)
class CollectivesTest extends ParityTest {
    private static final int CHUNKS = 8;

    /**
     * The work of one rank. {@code together} is a barrier of all ranks. The work must call it before the rank's first
     * collective and after its last one.
     */
    private interface Part<R> {
        R run(ParityCheck rank, int number, Runnable together) throws Exception;
    }

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (int ranks : new int[] {1, 2, 8}) {
            for (DType dtype : FLOATS) {
                checks.add(new Check("all_reduce", dtype + " over " + ranks,
                        lab -> allReduce(lab, dtype, ranks, 1, 7, 127, 4099)));
            }
            // The longest message is too large to be exchanged in one step.
            checks.add(new Check("all_reduce", "sizes in turn over " + ranks,
                    lab -> allReduce(lab, DType.F32, ranks, 4099, 5, 150_001, 64, 70_000, 1)));
            checks.add(new Check("all_gather", "over " + ranks, lab -> allGather(lab, ranks)));
            checks.add(new Check("reduce_scatter", "over " + ranks, lab -> reduceScatter(lab, ranks)));
            checks.add(new Check("broadcast", "over " + ranks, lab -> broadcast(lab, ranks)));
        }
        return checks;
    }

    /** A message with n elements for each rank or slice. */
    private record Message(int n, DType dtype) {
        static List<Message> of(int... sizes) {
            return Arrays.stream(sizes).boxed().flatMap(n -> FLOATS.stream().map(dtype -> new Message(n, dtype)))
                    .toList();
        }
    }

    /** Runs the calls of a rank one after another through one communicator, and returns the outputs. */
    private static List<float[]> inTurn(ParityCheck rank, Runnable together, List<Runnable> calls,
            List<Tensor> outputs) {
        together.run();
        calls.forEach(Runnable::run);
        rank.context().synchronize();
        together.run();
        rank.assertGuards();
        return outputs.stream().map(rank::floats).toList();
    }

    /** The sum over the chunks of partials (CHUNKS, n), added in order. */
    private static float[] sum(float[] partials, int n) {
        float[] sum = Floats.slice(partials, 0, n);
        for (int chunk = 1; chunk < CHUNKS; chunk++) {
            sum = Floats.sum(sum, Floats.slice(partials, (long) chunk * n, (chunk + 1L) * n));
        }
        return sum;
    }

    /** The partial sums (CHUNKS / ranks, n) of one rank. */
    private static Tensor own(ParityCheck rank, int number, float[] partials, int ranks) {
        int each = partials.length / ranks;
        return rank.data(DType.F32, Floats.slice(partials, (long) number * each, (number + 1L) * each), CHUNKS / ranks,
                partials.length / CHUNKS).tensor();
    }

    /**
     * For every number of ranks, there are eight chunks in all. So the order of summation does not depend on the number
     * of ranks, and neither does the result. Each call is made twice, to test that the second call can reuse the memory
     * of the first.
     */
    private static void allReduce(ParityCheck lab, DType dtype, int ranks, int... sizes) {
        List<float[]> partials = Arrays.stream(sizes).mapToObj(n -> lab.normal(DType.F32, CHUNKS, n).values()).toList();
        List<List<float[]>> results = onRanks(lab, ranks, (rank, number, together) -> {
            List<Runnable> calls = new ArrayList<>();
            List<Tensor> sums = new ArrayList<>();
            for (float[] all : partials) {
                Tensor x = own(rank, number, all, ranks);
                for (int call = 0; call < 2; call++) {
                    Tensor y = rank.output(dtype, all.length / CHUNKS);
                    sums.add(y);
                    calls.add(() -> rank.ops().allReduce(y, x, CHUNKS / ranks));
                }
            }
            return inTurn(rank, together, calls, sums);
        });
        for (int i = 0; i < sizes.length; i++) {
            float[] expected = Floats.rounded(dtype, sum(partials.get(i), sizes[i]));
            for (List<float[]> result : results) {
                assertArrayEquals(expected, result.get(2 * i), "sum of " + sizes[i]);
                assertArrayEquals(expected, result.get(2 * i + 1), "sum of " + sizes[i] + ", again");
            }
        }
    }

    private static void allGather(ParityCheck lab, int ranks) {
        List<Message> messages = Message.of(1, 7, 4099);
        List<float[]> all = messages.stream().map(m -> lab.normal(m.dtype(), ranks, m.n()).values()).toList();
        List<List<float[]>> results = onRanks(lab, ranks, (rank, number, together) -> {
            List<Runnable> calls = new ArrayList<>();
            List<Tensor> gathered = new ArrayList<>();
            for (int i = 0; i < messages.size(); i++) {
                int n = messages.get(i).n();
                DType dtype = messages.get(i).dtype();
                Tensor y = rank.output(dtype, ranks, n);
                Tensor x = rank.data(dtype, Floats.slice(all.get(i), (long) number * n, (number + 1L) * n), n).tensor();
                gathered.add(y);
                calls.add(() -> rank.ops().allGather(y, x));
            }
            return inTurn(rank, together, calls, gathered);
        });
        for (int i = 0; i < messages.size(); i++) {
            for (List<float[]> result : results) {
                assertArrayEquals(all.get(i), result.get(i), "gathered " + messages.get(i));
            }
        }
    }

    /** Each rank's slice of the sum has the same bits as the result of all_reduce. */
    private static void reduceScatter(ParityCheck lab, int ranks) {
        List<Message> slices = Message.of(1, 7, 516, 4099);
        List<float[]> partials = slices.stream().map(slice -> lab.normal(DType.F32, CHUNKS, ranks * slice.n()).values())
                .toList();
        List<List<float[]>> results = onRanks(lab, ranks, (rank, number, together) -> {
            List<Runnable> calls = new ArrayList<>();
            List<Tensor> own = new ArrayList<>();
            for (int i = 0; i < slices.size(); i++) {
                Tensor x = own(rank, number, partials.get(i), ranks);
                Tensor y = rank.output(slices.get(i).dtype(), slices.get(i).n());
                own.add(y);
                calls.add(() -> rank.ops().reduceScatter(y, x, CHUNKS / ranks));
            }
            return inTurn(rank, together, calls, own);
        });
        for (int i = 0; i < slices.size(); i++) {
            int n = slices.get(i).n();
            float[] sums = sum(partials.get(i), ranks * n);
            for (int r = 0; r < ranks; r++) {
                assertArrayEquals(Floats.rounded(slices.get(i).dtype(), Floats.slice(sums, (long) r * n, (r + 1L) * n)),
                        results.get(r).get(i), "slice of " + slices.get(i));
            }
        }
    }

    /** Broadcasts from the last rank to a second buffer, and then from the first rank in place. */
    private static void broadcast(ParityCheck lab, int ranks) {
        List<Message> messages = Message.of(1, 7, 4099, 4112);
        List<float[]> all = messages.stream().map(m -> lab.normal(m.dtype(), ranks, m.n()).values()).toList();
        List<List<float[]>> results = onRanks(lab, ranks, (rank, number, together) -> {
            List<Runnable> calls = new ArrayList<>();
            List<Tensor> received = new ArrayList<>();
            for (int i = 0; i < messages.size(); i++) {
                int n = messages.get(i).n();
                DType dtype = messages.get(i).dtype();
                Tensor y = rank.output(dtype, n);
                Tensor x = rank.data(dtype, Floats.slice(all.get(i), (long) number * n, (number + 1L) * n), n).tensor();
                received.addAll(List.of(y, x));
                calls.add(() -> rank.ops().broadcast(y, x, ranks - 1));
                calls.add(() -> rank.ops().broadcast(x, x, 0));
            }
            return inTurn(rank, together, calls, received);
        });
        for (int i = 0; i < messages.size(); i++) {
            int n = messages.get(i).n();
            for (List<float[]> result : results) {
                assertArrayEquals(Floats.slice(all.get(i), (ranks - 1L) * n, (long) ranks * n), result.get(2 * i),
                        "of the last rank, " + messages.get(i));
                assertArrayEquals(Floats.slice(all.get(i), 0, n), result.get(2 * i + 1),
                        "in place, from the first rank, " + messages.get(i));
            }
        }
    }

    /** One of two ranks waits for the other, which never arrives. Destroying the communicator makes the wait fail. */
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

    /**
     * Destroys the communicator during a wait in the second collective. On a GPU, a kernel waits here; in the first
     * collective, the host waits.
     */
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
