package org.ingrain.parallel;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Emulator;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * One of three ranks fails at a collective. The other ranks must end with a one-line message that names the failed
 * rank, its device and the cause. After that, the collective must succeed on two new ranks. The test prints
 * the figures of {@code benchmarks/results/rank-faults.md}: the seconds from the failure until all ranks have ended,
 * and the message.
 */
@Timeout(60)
class FailingCollectivesTest {
    private static final int RANKS = 3;
    private static final int FAILING = 1;

    private enum Collective {
        ALL_REDUCE(64) {
            @Override
            void call(Ops ops, Tensor all, Tensor own) {
                ops.allReduce(own, all.slice(0, 16).view(1, 16), 1);
            }
        },
        ALL_GATHER(64) {
            @Override
            void call(Ops ops, Tensor all, Tensor own) {
                ops.allGather(all, own);
            }
        },
        REDUCE_SCATTER(192) {
            @Override
            void call(Ops ops, Tensor all, Tensor own) {
                ops.reduceScatter(own, all.view(1, all.elements()), 1);
            }
        },
        BROADCAST(64) {
            @Override
            void call(Ops ops, Tensor all, Tensor own) {
                ops.broadcast(own, own, 0);
            }
        };

        private final int bytes;

        Collective(int bytes) {
            this.bytes = bytes;
        }

        /** Calls the collective. Shapes: all (ranks, 16), own (16). */
        abstract void call(Ops ops, Tensor all, Tensor own);

        String text() {
            return name().toLowerCase(Locale.ROOT) + " of " + bytes + " bytes";
        }
    }

    private enum Failure {
        THROWS("broken"), STALLS("did not come within 0.7 s"), ANOTHER_CALL(""), OUT_OF_MEMORY("free"),
        DEVICE_LOST("uncorrectable ECC error");

        private final String cause;

        Failure(String cause) {
            this.cause = cause;
        }
    }

    private record Case(String backend, Collective collective, Failure failure, boolean shared) {
    }

    /**
     * Signals that the other ranks have reached the call and that they have ended, and records when the rank failed.
     */
    private record Latches(CountDownLatch begun, CountDownLatch ended, AtomicLong failed) {
    }

    static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        for (Collective collective : Collective.values()) {
            for (Failure failure : Failure.values()) {
                if (failure != Failure.DEVICE_LOST) {
                    cases.add(new Case("cpu", collective, failure, false));
                }
                cases.add(new Case("simt", collective, failure, false));
                if (collective == Collective.ALL_REDUCE || collective == Collective.BROADCAST) {
                    cases.add(new Case("simt", collective, failure, true));
                }
            }
        }
        return cases;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void endsAllRanks(Case at) throws Exception {
        Latches latches = new Latches(new CountDownLatch(RANKS - 1), new CountDownLatch(RANKS - 1), new AtomicLong());
        RuntimeException failure = assertThrows(RuntimeException.class, () -> onRanks(at.backend, RANKS,
                (context, rank, communicator) -> communicateAndFail(at, context, rank, communicator, latches)));
        check(at, failure.getMessage());
        assertTrue(latches.ended.await(30, TimeUnit.SECONDS), "the other ranks end");
        double seconds = (System.nanoTime() - latches.failed.get()) / 1e9;
        onRanks(at.backend, RANKS - 1, (context, rank, communicator) ->
                Buffers.of(at, context, communicator.ranks()).communicate(at, context));
        System.out.printf(Locale.ROOT, "| %s | %s%s | %s | %.2f | %s |%n", at.backend, at.collective.text(),
                at.shared ? ", registered" : "", at.failure.name().toLowerCase(Locale.ROOT).replace('_', ' '), seconds,
                failure.getMessage());
    }

    private interface Part {
        void run(Context context, int rank, Communicator communicator) throws InterruptedException;
    }

    private static void onRanks(String name, int ranks, Part part) {
        try (Backend backend = Backend.open(NativeLibraries.find(name));
                Communicator communicator = new Communicator(backend, ranks)) {
            RankGroup group = new RankGroup(communicator,
                    IntStream.range(0, ranks).mapToObj(rank -> name(name, rank)).toList());
            List<Context> contexts = IntStream.range(0, ranks).mapToObj(rank -> backend.context(
                    new ContextOptions(name.equals("cpu") ? 0 : rank, 1, "auto"))).toList();
            try {
                group.run(rank -> {
                    contexts.get(rank).join(communicator, rank);
                    try {
                        part.run(contexts.get(rank), rank, communicator);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    return null;
                });
            } finally {
                group.close(rank -> closeAfterFailure(contexts.get(rank)));
            }
        }
    }

    private static String name(String backend, int rank) {
        return "rank " + rank + " on " + (backend.equals("cpu") ? "cpu" : backend + ":" + rank);
    }

    private static void check(Case at, String message) {
        assertFalse(message.contains("\n"), message);
        assertTrue(message.contains(name(at.backend, FAILING)), message);
        assertTrue(message.contains(at.failure.cause), message);
        if (at.failure == Failure.STALLS) {
            assertTrue(message.contains(at.collective.text()), message);
        } else if (at.failure == Failure.ANOTHER_CALL) {   // either rank may detect the difference
            assertTrue(message.contains(at.collective.text()) || message.contains("broadcast of 8 bytes"), message);
            assertTrue(message.contains("made a different call") || message.contains("expected the same call"),
                    message);
        }
    }

    /** The buffers of a collective: all (ranks, 16) and own (16). */
    private record Buffers(Tensor all, Tensor own) {
        static Buffers of(Case at, Context context, int ranks) {
            Tensor all = at.shared ? context.allocateShared(DType.F32, ranks, 16)
                    : context.allocate(DType.F32, ranks, 16);
            Tensor own = at.shared ? context.allocateShared(DType.F32, 16) : context.allocate(DType.F32, 16);
            context.fillZero(all);
            context.fillZero(own);
            return new Buffers(all, own);
        }

        void communicate(Case at, Context context) {
            at.collective.call(new Ops(context), all, own);
            context.synchronize();
        }
    }

    /**
     * Makes two calls of the collective. The first call succeeds. At the second call one rank fails while the others
     * wait for it.
     */
    private static void communicateAndFail(Case at, Context context, int rank, Communicator communicator,
            Latches latches) throws InterruptedException {
        Buffers buffers = Buffers.of(at, context, communicator.ranks());
        buffers.communicate(at, context);
        if (rank == FAILING) {
            latches.begun.await();
            latches.failed.set(System.nanoTime());
            fail(at, context, communicator, latches);
        }
        try {
            latches.begun.countDown();
            buffers.communicate(at, context);
        } finally {
            if (rank != FAILING) {
                latches.ended.countDown();
            }
        }
    }

    private static void fail(Case at, Context context, Communicator communicator, Latches latches)
            throws InterruptedException {
        switch (at.failure) {
            case THROWS -> throw new IllegalStateException("broken");
            case STALLS -> {
                communicator.setLimit(Duration.ofMillis(700));
                latches.ended.await();
            }
            case ANOTHER_CALL -> {
                Ops ops = new Ops(context);
                ops.broadcast(context.allocate(DType.F32, 2), context.allocate(DType.F32, 2), 1);
                context.synchronize();
            }
            case OUT_OF_MEMORY -> context.allocate(DType.F32, 1L << 48);
            case DEVICE_LOST -> Emulator.lose(FAILING);
        }
    }

    /** Closes a context. The failed device may report its error again. The test accepts this error. */
    private static void closeAfterFailure(Context context) {
        try {
            context.close();
        } catch (RuntimeException e) {
            assertTrue(e.getMessage().contains("rank") || e.getMessage().contains("ECC"), e.getMessage());
        }
    }
}
