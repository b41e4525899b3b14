package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;
import org.ingrain.parallel.TestRanks;
import org.ingrain.sample.step.StepBuffers;
import org.ingrain.sample.step.StepPlan;
import org.ingrain.sample.step.StepResults;
import org.ingrain.sample.step.StepRunner;
import org.ingrain.tensor.DType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * One scheduler makes the plans for all ranks of a model. Each rank runs the same plans with its shard of the weights.
 */
@Timeout(120)
class RanksTest {
    private static final int RANKS = 2;
    private static final ContextOptions OPTIONS = new ContextOptions(0, 1, "auto");
    /** A cache that is small enough to evict sequences. */
    private static final GeneratorConfig CONFIG = GeneratorConfig.of(128, 5, 40).withBlockSize(16).withCacheTokens(128);

    private static List<Request> requests() {
        return List.of(Request.of(TinyModel.prompt(53, 3), 4, SamplingParams.sampled(0.9, 0.95, 30, 11)),
                Request.of(TinyModel.prompt(20, 5), 7, SamplingParams.sampled(0.9, 1, 12, 2)));
    }

    private static StepRunner runner(Context context, Communicator communicator, int rank) {
        context.join(communicator, rank);
        Blueprint config = TinyModel.config(DType.F32);
        try (Arena arena = Arena.ofShared()) {
            Weights weights = Weights.load(context, config, new Precision(DType.F32, DType.F32, DType.F32),
                    new Rank(rank, RANKS), name -> TinyModel.tensor(arena, config, name), (layers, of) -> { });
            context.synchronize();
            KvCache cache = new KvCache(context, weights, CONFIG.blocks(), CONFIG.blockSize());
            return new StepRunner(new Decoder(context, weights, CONFIG.limits(RANKS)), cache, null,
                    new StepBuffers(context, CONFIG.limits(RANKS), config.vocabSize(), 1));
        }
    }

    private static int[] run(StepRunner runner, StepPlan plan) {
        runner.enqueue(plan);
        StepResults results = runner.await();
        return IntStream.range(0, plan.draws().size()).map(results::id).toArray();
    }

    @Test
    void aPlanRunsOnEveryRank() {
        List<List<Completion>> expected;
        try (TinyModel model = new TinyModel("cpu", OPTIONS); Generator generator = model.generator(CONFIG)) {
            expected = generator.generate(requests());
        }
        try (Backend backend = Backend.open(NativeLibraries.find("cpu")); Context first = backend.context(OPTIONS);
                Context second = backend.context(OPTIONS); Communicator communicator = new Communicator(backend, RANKS);
                RankGroup group = TestRanks.group(communicator)) {
            List<Context> contexts = List.of(first, second);
            List<StepRunner> runners = group.run(rank -> runner(contexts.get(rank), communicator, rank));
            PlanLoop loop = new PlanLoop(CONFIG, 0, plan ->
                group.run(rank -> run(runners.get(rank), plan)).getFirst());   // the ids of rank 0
            requests().forEach(loop::submit);
            loop.run();
            assertEquals(11, loop.finished.size());
            loop.finished.forEach((sequence, ids) -> {
                int request = sequence.ticket.request.samples() == 4 ? 0 : 1;
                assertArrayEquals(expected.get(request).get(sequence.number).ids(), ids);
            });
        }
    }
}
