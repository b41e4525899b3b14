package org.ingrain.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Emulator;
import org.ingrain.ffi.Graph;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Tests which collectives use NCCL. The emulated NCCL adds from the last rank to the first, and Ingrain's kernels add
 * from the first to the last. So the bits of a sum show whether NCCL or an Ingrain kernel computed it.
 */
@Timeout(60)
class NcclTest {
    private static final int RANKS = 3;
    /**
     * Number of floats of a long message: more than 1 MiB, and not divisible by the number of floats that a kernel
     * loads at once.
     */
    private static final int LONG = 262_147;
    private static final int UNIQUE_ID = 1;
    private static final int INIT = 2;
    private static final int COLLECTIVE = 3;

    private interface Part {
        void run(Context context, int rank);
    }

    @BeforeEach
    @AfterEach
    void reset() {
        Emulator.setPeers(true);
        Emulator.refuseNccl(0);
    }

    @Test
    void longSumsAreNcclsAndShortOnesOurs() {
        onRanks(RANKS, false, (context, rank) -> {
            assertEquals(false, sumIsNccls(context, rank, 1000));
            assertEquals(true, sumIsNccls(context, rank, LONG));
            assertEquals(Set.of(), context.fallbacks().keySet());
        });
    }

    /**
     * In a captured graph, Ingrain's kernels compute even the long sums. NCCL cannot compute them, because the hosts of
     * the ranks do not wait for each other when the graph is replayed.
     */
    @Test
    void deterministicAndCapturedSumsAreOurs() {
        onRanks(RANKS, true, (context, rank) -> {
            assertEquals(false, sumIsNccls(context, rank, LONG));
            assertEquals(Set.of(), context.fallbacks().keySet());
        });
        onRanks(RANKS, false, (context, rank) -> {
            Tensor y = context.allocateShared(DType.F32, LONG);
            Tensor x = partials(context, rank, LONG);
            context.beginGraph();
            new Ops(context).allReduce(y, x, 1);
            Graph graph = context.endGraph();
            graph.launch();
            assertEquals(false, isNccls(context.readFloats(y)));
        });
    }

    @Test
    void everyCollectiveIsNcclsBetweenDevicesWithoutPeerAccess() {
        Emulator.setPeers(false);
        onRanks(RANKS, false, (context, rank) -> {
            assertEquals(true, sumIsNccls(context, rank, 12));
            Ops ops = new Ops(context);
            Tensor all = context.allocateShared(DType.F32, RANKS, 4);
            Tensor own = context.allocateShared(DType.F32, 4);
            context.write(own, rank, rank + 0.5f, 1, 2);
            ops.allGather(all, own);
            assertArrayEquals(new float[] {0, 0.5f, 1, 2, 1, 1.5f, 1, 2, 2, 2.5f, 1, 2}, context.readFloats(all));
            ops.broadcast(own, own, 2);
            assertArrayEquals(new float[] {2, 2.5f, 1, 2}, context.readFloats(own));
            Tensor partials = context.allocate(DType.F32, 2, RANKS * 4);
            context.write(partials, counted(2 * RANKS * 4, rank));
            ops.reduceScatter(own, partials, 2);
            float[] expected = new float[4];
            for (int i = 0; i < 4; i++) {
                for (int r = 0; r < RANKS; r++) {
                    expected[i] += 2 * (rank * 4 + i) + RANKS * 4 + 200 * r;
                }
            }
            assertArrayEquals(expected, context.readFloats(own));
        });
    }

    @Test
    void withoutNcclLongSumsAreOursAndCounted() {
        for (int refused : new int[] {UNIQUE_ID, INIT}) {
            Emulator.refuseNccl(refused);
            onRanks(RANKS, false, (context, rank) -> {
                assertEquals(false, sumIsNccls(context, rank, LONG));
                String function = refused == UNIQUE_ID ? "ncclGetUniqueId" : "ncclCommInitRank";
                assertEquals(Set.of("all_reduce over 1 MiB without NCCL: " + function + ": unhandled system error"),
                        context.fallbacks().keySet());
            });
        }
    }

    @Test
    void withoutNcclAndPeerAccessThereIsAnError() {
        Emulator.setPeers(false);
        assertFails("cannot be used: its sums have no fixed order", true);
        Emulator.refuseNccl(INIT);
        assertFails("not all devices of the ranks can access each other's memory, and NCCL cannot be used: "
                + "ncclCommInitRank: unhandled system error", false);
    }

    @Test
    void aRefusedCollectiveIsAnError() {
        Emulator.setPeers(false);
        Emulator.refuseNccl(COLLECTIVE);
        assertFails("ncclAllReduce: unhandled system error", false);
    }

    /**
     * NCCL has no time limit. So the hosts of the ranks wait for each other before they call NCCL. This wait has a time
     * limit.
     */
    @Test
    void aRankThatStallsIsNamed() {
        CountDownLatch ended = new CountDownLatch(RANKS - 1);
        BackendException failed = assertThrows(BackendException.class, () -> onRanks(RANKS, false,
                (context, rank, communicator) -> {
                    Tensor x = partials(context, rank, LONG);
                    Tensor y = context.allocateShared(DType.F32, LONG);
                    if (rank == 1) {
                        communicator.setLimit(Duration.ofMillis(500));
                        await(ended);
                    }
                    try {
                        new Ops(context).allReduce(y, x, 1);
                        context.synchronize();
                    } finally {
                        ended.countDown();
                    }
                }));
        assertTrue(failed.getMessage().contains("all_reduce of " + 4 * LONG + " bytes: ")
                && failed.getMessage().contains("rank 1 on simt:1 did not come within 0.5 s"), failed.getMessage());
    }

    /** The hosts of the ranks also wait for each other before each launch of a graph that contains calls of NCCL. */
    @Test
    void aRankThatStallsBeforeAReplayIsNamed() {
        Emulator.setPeers(false);
        CountDownLatch ended = new CountDownLatch(RANKS - 1);
        BackendException failed = assertThrows(BackendException.class, () -> onRanks(RANKS, false,
                (context, rank, communicator) -> {
                    Tensor x = partials(context, rank, 12);
                    Tensor y = context.allocateShared(DType.F32, 12);
                    context.beginGraph();
                    new Ops(context).broadcast(y, y, 0);
                    new Ops(context).allReduce(y, x, 1);
                    Graph graph = context.endGraph();
                    for (int i = 0; i < 2; i++) {
                        context.fillZero(y);
                        graph.launch();
                        assertEquals(true, isNccls(context.readFloats(y)));
                    }
                    if (rank == 1) {
                        communicator.setLimit(Duration.ofMillis(500));
                        await(ended);
                    }
                    try {
                        graph.launch();
                        context.synchronize();
                    } finally {
                        ended.countDown();
                    }
                }));
        assertTrue(failed.getMessage().contains("broadcast of 48 bytes: ")
                && failed.getMessage().contains("rank 1 on simt:1 did not come within 0.5 s"), failed.getMessage());
    }

    private static void assertFails(String message, boolean deterministic) {
        BackendException failed = assertThrows(BackendException.class,
                () -> onRanks(RANKS, deterministic, (context, rank) -> sumIsNccls(context, rank, 12)));
        assertTrue(failed.getMessage().contains(message), failed.getMessage());
    }

    private static float[] counted(int n, int rank) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = i + 100 * rank;
        }
        return values;
    }

    /**
     * Returns partials (1, n): all elements are 1 on rank 0 and 2^-24 on ranks 1 and 2. If the elements are added from
     * the first rank to the last, the sum is 1. If the elements are added from the last rank to the first, the sum is
     * greater than 1.
     */
    private static Tensor partials(Context context, int rank, int n) {
        float[] values = new float[n];
        Arrays.fill(values, rank == 0 ? 1 : 0x1p-24f);
        Tensor x = context.allocateShared(DType.F32, 1, n);
        context.write(x, values);
        return x;
    }

    private static boolean sumIsNccls(Context context, int rank, int n) {
        Tensor x = partials(context, rank, n);
        Tensor y = context.allocateShared(DType.F32, n);
        new Ops(context).allReduce(y, x, 1);
        return isNccls(context.readFloats(y));
    }

    private static boolean isNccls(float[] sums) {
        float[] expected = new float[sums.length];
        Arrays.fill(expected, sums[0]);
        assertArrayEquals(expected, sums);
        assertTrue(sums[0] == 1 || sums[0] == 1 + 0x1p-23f, () -> "sum " + sums[0]);
        return sums[0] > 1;
    }

    private interface PartWithCommunicator {
        void run(Context context, int rank, Communicator communicator);
    }

    private static void onRanks(int ranks, boolean deterministic, Part part) {
        onRanks(ranks, deterministic, (context, rank, communicator) -> part.run(context, rank));
    }

    private static void onRanks(int ranks, boolean deterministic, PartWithCommunicator part) {
        try (Backend backend = Backend.open(NativeLibraries.find("simt"))) {
            Communicator communicator = new Communicator(backend, ranks);
            RankGroup group = TestRanks.group(communicator);
            List<Context> contexts = IntStream.range(0, ranks)
                    .mapToObj(rank -> backend.context(new ContextOptions(rank, 1, "auto"))).toList();
            try {
                group.run(rank -> {
                    contexts.get(rank).setDeterministic(deterministic);
                    contexts.get(rank).join(communicator, rank);
                    part.run(contexts.get(rank), rank, communicator);
                    contexts.get(rank).synchronize();
                    return null;
                });
            } finally {
                group.close(rank -> closeAfterFailure(contexts.get(rank)));
                communicator.close();
            }
        }
    }

    private static void closeAfterFailure(Context context) {
        try {
            context.close();
        } catch (BackendException e) {
            assertTrue(e.getMessage().contains("rank"), e.getMessage());
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
