package org.ingrain.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Event;
import org.ingrain.ffi.KernelLoading;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.ops.Ops;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.sample.ShardedModel;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.TestFolders;
import org.ingrain.tokenizer.StreamingDecoder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Tests two ranks on one device. Joining a communicator loads all kernels, because the first launch of an unloaded
 * kernel may wait for the device. If a kernel of the other rank waited for this rank at that time, the ranks would
 * deadlock. System properties: {@code ingrain.device.backend} is the backend (default: the emulated GPU), and
 * {@code ingrain.stories} is the folder of stories15M. {@code ingrain.repetitions} above 0 makes the test also time
 * {@code all_reduce} and print one JSON line per size.
 */
@Timeout(300)
class RanksOnOneDeviceTest {
    private static final String BACKEND = System.getProperty("ingrain.device.backend", "simt");
    private static final int REPETITIONS = Integer.getInteger("ingrain.repetitions", 0);
    private static final int TOKENS = BACKEND.equals("simt") ? 4 : 48;
    private static final int RANKS = 2;
    private static final GeneratorConfig SIZES = new GeneratorConfig(128, 16, 16, 1, 64, true, true);
    private static final Request STORY = Request.of(new int[] {1, 9038, 2501, 263, 931}, 1,
            SamplingParams.greedy(TOKENS));

    @Test
    void aModelSaysTheSameOnTwoRanksAsOnOne() {
        String named = System.getProperty("ingrain.stories");
        Path folder = named == null ? TestFolders.model("stories15M") : Path.of(named);
        try (Backend backend = backend(); ModelFolder model = ModelFolder.open(folder)) {
            Completion alone;
            try (Context context = context(backend)) {
                alone = new Generator(weights(context, model, Rank.SINGLE), null, SIZES, Silent::new, List.of())
                        .generate(List.of(STORY)).getFirst().getFirst();
            }
            try (Communicator communicator = new Communicator(backend, RANKS);
                    RankGroup group = TestRanks.group(communicator)) {
                List<Weights> shares = group.run(index -> {
                    Context context = context(backend);
                    context.join(communicator, index);
                    return weights(context, model, new Rank(index, RANKS));
                });
                Generator generator = new Generator(List.of(new ShardedModel(group, shares, List.of())), SIZES,
                        Silent::new, List.of());
                Completion together = generator.generate(List.of(STORY)).getFirst().getFirst();
                assertArrayEquals(alone.ids(), together.ids());
                assertArrayEquals(alone.logProbabilities(), together.logProbabilities(), 0);
                generator.close();
                group.close(index -> shares.get(index).context().close());
            }
        }
    }

    @Test
    void sumsAreThoseOfBothRanks() {
        try (Backend backend = backend()) {
            for (int n : new int[] {8192, 8 * 8192, 512 * 8192}) {
                if (REPETITIONS > 0 || n <= 8192) {
                    List<Double> microseconds = onRanks(backend, (context, rank) -> sums(context, rank, n));
                    if (REPETITIONS > 0) {
                        System.out.printf("{\"test\": \"all_reduce\", \"ranks\": %d, \"floats\": %d, \"us\": %.1f}%n",
                                RANKS, n, microseconds.getFirst());
                    }
                }
            }
        }
    }

    /** Loads the weights in F32. For F32, the order of summation does not depend on the number of ranks. */
    private static Weights weights(Context context, ModelFolder model, Rank rank) {
        return Weights.load(context, model.config(), new Precision(DType.F32, DType.F32, DType.F32), rank, model,
                (layers, of) -> { });
    }

    /**
     * Checks {@code all_reduce} of n floats and returns its time in microseconds. No memory is allocated between the
     * first call and the last.
     */
    private static double sums(Context context, Rank rank, int n) {
        Ops ops = new Ops(context);
        Tensor y = context.allocate(DType.F32, n);
        Tensor x = context.allocate(DType.F32, 1, n);
        float[] values = new float[n];
        Arrays.fill(values, 1 + rank.index());
        context.write(x, values);
        Event begin = context.event();
        Event end = context.event();
        ops.allReduce(y, x, 1);
        begin.record();
        for (int i = 0; i < REPETITIONS; i++) {
            ops.allReduce(y, x, 1);
        }
        end.record();
        end.await();
        float milliseconds = end.millisecondsSince(begin);
        Arrays.fill(values, 3);
        assertArrayEquals(values, context.readFloats(y));
        return 1000.0 * milliseconds / Math.max(1, REPETITIONS);
    }

    private interface Part<R> {
        R run(Context context, Rank rank);
    }

    private static <R> List<R> onRanks(Backend backend, Part<R> part) {
        try (Communicator communicator = new Communicator(backend, RANKS); 
                RankGroup group = TestRanks.group(communicator)) {
            List<Context> contexts = IntStream.range(0, RANKS).mapToObj(rank -> context(backend)).toList();
            List<R> results = group.run(index -> {
                contexts.get(index).join(communicator, index);
                return part.run(contexts.get(index), new Rank(index, RANKS));
            });
            contexts.forEach(Context::close);   // free memory only when no rank waits in a kernel
            return results;
        }
    }

    private static Context context(Backend backend) {
        Context context = backend.context(new ContextOptions(0, 1, "auto"));
        context.setDeterministic(true);   // the order of summation then does not depend on the number of ranks
        return context;
    }

    private static Backend backend() {
        try {
            if (!BACKEND.equals("simt")) {
                KernelLoading.eagerly();   // joining a communicator loads our own kernels, but not cuBLASLt's
            }
            return Backend.open(NativeLibraries.find(BACKEND));
        } catch (InputException e) {
            System.out.println("Skipped: " + e.getMessage());
            return abort(e.getMessage());
        }
    }

    /** Decodes every token to empty text, because the test does not compare texts. */
    private static final class Silent implements StreamingDecoder {
        @Override
        public String append(int id) {
            return "";
        }

        @Override
        public String flush() {
            return "";
        }
    }
}
