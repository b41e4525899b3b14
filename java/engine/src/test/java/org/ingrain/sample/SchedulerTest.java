package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.sample.step.StepPlan;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Checks the plans of a scheduler with PlanInterpreter, whose cache contains token ids. */
class SchedulerTest {
    private static final int CONTEXT = 128;

    private static GeneratorConfig config(int sequences, int tokens, int cache) {
        return GeneratorConfig.of(CONTEXT, sequences, tokens).withBlockSize(16).withCacheTokens(cache);
    }

    private static Request request(int length, int seed, int samples, int maxTokens) {
        return Request.of(TinyModel.prompt(length, seed), samples, SamplingParams.sampled(1, 1, maxTokens, seed));
    }

    private static PlanLoop loop(GeneratorConfig config, int lag) {
        return new PlanLoop(config, lag, new PlanInterpreter(config)::run);
    }

    private static List<Integer> tokens(StepPlan plan) {
        return plan.parts().stream().map(part -> part.ids().length).toList();
    }

    /** The example in the Javadoc of Scheduler. */
    @Test
    void promptsFillWhatDecodingLeaves() {
        PlanLoop loop = loop(config(4, 40, 4 * CONTEXT), 1);
        loop.submit(request(20, 1, 2, 3));
        loop.submit(request(50, 2, 1, 3));
        loop.run();
        StepPlan first = loop.plans.get(0);
        assertEquals(List.of(20, 20), tokens(first));
        assertArrayEquals(new int[] {19}, first.logitRows());
        assertEquals(List.of(0, 0), first.draws().stream().map(StepPlan.Draw::logitRow).toList());
        assertEquals(List.of(0, 1), first.draws().stream().map(StepPlan.Draw::sequence).toList());
        assertEquals(2, first.copies().length, "the second sample writes a copy of the block that is not full");
        StepPlan second = loop.plans.get(1);
        assertEquals(List.of(1, 1, 30), tokens(second));
        assertEquals(List.of(0, 1, -1), second.parts().stream().map(StepPlan.Part::drawnRow).toList());
        assertArrayEquals(new int[] {0, 1, 31}, second.logitRows());
        assertEquals(List.of(21, 21, 50), second.draws().stream().map(StepPlan.Draw::position).toList());
        assertEquals(List.of(1, 1, 1), tokens(loop.plans.get(2)));
        assertEquals(4, loop.plans.size());
    }

    @Test
    void samplesShareTheBlocksOfTheirPrompt() {
        PlanLoop loop = loop(config(4, 64, 4 * CONTEXT), 0);
        loop.submit(request(40, 1, 3, 4));
        loop.run();
        StepPlan decode = loop.plans.get(1);
        assertEquals(List.of(0, 0, 0), decode.parts().stream().map(part -> part.place().group()).toList());
        assertEquals(List.of(2, 2, 2), decode.parts().stream().map(part -> part.place().prefixBlocks()).toList());
        assertEquals(3, decode.parts().stream().map(part -> part.place().blocks()[2]).distinct().count());
    }

    @Test
    void aPromptThatBeginsAlikeComputesTheRest() {
        for (boolean prefixCache : new boolean[] {true, false}) {
            PlanLoop loop = loop(config(4, 64, 4 * CONTEXT).withPrefixCache(prefixCache), 0);
            loop.submit(request(40, 1, 1, 1));
            loop.run();
            loop.submit(request(40, 1, 1, 1));
            loop.run();
            assertEquals(prefixCache ? List.of(List.of(40), List.of(8)) : List.of(List.of(40), List.of(40)),
                    loop.plans.stream().map(SchedulerTest::tokens).toList());
        }
    }

    @Test
    void theNewestGivesItsBlocksBackAndIsComputedAgain() {
        PlanLoop loop = loop(config(2, 64, CONTEXT).withPrefixCache(false), 0);
        Request old = request(40, 1, 1, 40);
        Request young = request(60, 2, 1, 40);
        loop.submit(old);
        loop.submit(young);
        loop.run();
        assertEquals(2, loop.finished.size());
        loop.finished.forEach((sequence, ids) -> assertArrayEquals(PlanInterpreter.expected(sequence.ticket.request, 0,
                CONTEXT), ids));
        int oldTokens = loop.computed(part -> part.place().blocks()[0] == 0);
        assertEquals(40 + 39, oldTokens, "no token of the oldest sample is computed twice");
        assertTrue(loop.computed(part -> part.place().blocks()[0] != 0) > 60 + 39,
                "some tokens of the newest sample are computed twice");
    }

    @Test
    void samplesWithoutAPlaceDrawTheirFirstTokenAndWait() {
        PlanLoop loop = loop(config(2, 64, 4 * CONTEXT), 1);
        loop.submit(request(20, 1, 7, 3));
        loop.step();
        assertEquals(List.of(2, 2, 2, 1), loop.plans.stream().map(plan -> plan.draws().size()).toList());
        assertEquals(List.of(true, true, true, false), loop.plans.stream().map(StepPlan::drawAgain).toList());
        assertEquals(List.of(1, 0, 0, 0), loop.plans.stream().map(plan -> plan.parts().size()).toList());
        assertEquals(7, loop.scheduler.inFlight().size());
        loop.run();
        assertEquals(7, loop.finished.size());
    }

    @Test
    void aForkWithoutABlockWaits() {
        PlanLoop loop = loop(config(8, 128, CONTEXT).withPrefixCache(false), 0);
        loop.submit(request(100, 1, 4, 5));
        loop.step();
        assertEquals(2, loop.plans.getFirst().draws().size(),
                "the prompt has 7 of the 8 blocks, and a copy of its last block is the eighth");
        assertEquals(2, loop.plans.getLast().draws().size());
        loop.run();
        assertEquals(4, loop.finished.size());
    }

    @Test
    void aRequestWaitsForRoom() {
        PlanLoop loop = loop(config(8, 256, CONTEXT), 0);
        loop.submit(request(100, 1, 1, 2));
        loop.submit(request(60, 2, 1, 2));
        loop.step();
        assertEquals(List.of(100), tokens(loop.plans.getFirst()));
        assertEquals(1, loop.pool.available());
        loop.run();
        assertEquals(List.of(60), tokens(loop.plans.get(2)));
    }

    @Test
    void aSequenceThatIsRemovedFreesItsBlocksAndItsTokenIsNotRead() {
        PlanLoop loop = loop(config(4, 64, CONTEXT).withPrefixCache(false), 1);
        loop.submit(request(33, 1, 3, 20));
        loop.step();
        loop.step();
        Sequence second = loop.scheduler.inFlight().get(1);
        assertEquals(1, second.unread());
        int before = loop.pool.available();
        loop.end(second);
        assertEquals(before + 1, loop.pool.available(),
                "only its own block is free; the other samples still use the blocks of the prompt");
        loop.run();
        assertEquals(3, loop.finished.size());
        assertEquals(second.number, loop.finished.keySet().stream().filter(s -> s.generated() < 20).findFirst()
                .orElseThrow().number);
    }

    @Test
    void aPromptIsScoredInStepsOfItsOwn() {
        PlanLoop loop = loop(config(4, 100, 4 * CONTEXT), 0);
        Request plain = request(90, 1, 1, 1);
        loop.submit(plain);
        loop.run();
        loop.submit(new Request(plain.prompt(), 1, 0, plain.params(), -1, true));
        loop.run();
        List<StepPlan> scoring = loop.plans.subList(1, loop.plans.size());
        assertEquals(List.of(List.of(64), List.of(26)), scoring.stream().map(SchedulerTest::tokens).toList(),
                "nothing is adopted");
        assertEquals(List.of(64, 25), scoring.stream().map(plan -> plan.scores().getFirst().targets().length).toList());
        assertArrayEquals(IntStream.range(0, 26).toArray(), scoring.getLast().logitRows());
        assertEquals(25, scoring.getLast().draws().getFirst().logitRow());
    }

    static Stream<Arguments> loads() {
        List<GeneratorConfig> configs = List.of(config(8, 64, 4 * CONTEXT), config(3, 17, CONTEXT),
                config(12, 19, CONTEXT).withPrefixCache(false), config(1, 64, CONTEXT),
                config(6, 40, 200).withSharePrefix(false), config(6, 40, 160).withBlockSize(32));
        return configs.stream().flatMap(config -> IntStream.range(0, 3).mapToObj(lag -> Arguments.of(config, lag)));
    }

    /**
     * Submits and cancels requests at random. Each sample must be the same as if its request ran alone. A cancelled
     * sample is a prefix of the complete sample.
     */
    @ParameterizedTest
    @MethodSource("loads")
    void everySampleIsWhatItIsAlone(GeneratorConfig config, int lag) {
        boolean recomputed = false;
        for (int seed = 0; seed < 40; seed++) {
            Random random = new Random(seed);
            PlanLoop loop = loop(config, lag);
            int samples = 0;
            int needed = 0;
            for (int wanted = 12; wanted > 0 || !loop.scheduler.idle(); loop.step()) {
                if (wanted > 0 && random.nextInt(3) == 0) {
                    Request request = randomRequest(random);
                    loop.submit(request);
                    samples += request.samples();
                    needed += request.prompt().length + request.samples() * request.params().maxTokens();
                    wanted--;
                }
                List<Sequence> running = loop.scheduler.inFlight().stream()
                        .filter(sequence -> !sequence.ticket.forking()).toList();
                if (!running.isEmpty() && random.nextInt(20) == 0) {
                    loop.end(running.get(random.nextInt(running.size())));
                }
            }
            loop.run();
            assertEquals(samples, loop.finished.size());
            loop.finished.forEach((sequence, ids) -> {
                int[] alone = PlanInterpreter.expected(sequence.ticket.request, sequence.number, CONTEXT);
                assertArrayEquals(Arrays.copyOf(alone, ids.length), ids);
            });
            recomputed |= loop.computed(part -> true) > needed;
        }
        assertTrue(recomputed || config.maxSequences() == 1, "no sequence was evicted and computed again");
    }

    private static Request randomRequest(Random random) {
        SamplingParams params = SamplingParams.sampled(1, 1, 1 + random.nextInt(40), random.nextInt(5));
        int[] prompt = TinyModel.prompt(1 + random.nextInt(CONTEXT - 1), random.nextInt(3));
        return new Request(prompt, 1 + random.nextInt(5), random.nextInt(3), params, random.nextInt(3) - 1,
                random.nextInt(6) == 0);
    }

    @Test
    void nothingIsPlannedWhereNothingIsWanted() {
        PlanLoop loop = loop(config(2, 64, CONTEXT), 0);
        assertTrue(loop.scheduler.plan().isEmpty());
        assertTrue(loop.scheduler.idle());
        loop.submit(request(5, 1, 1, 1));
        assertFalse(loop.scheduler.idle());
        assertEquals(1, loop.scheduler.plan().size());
        assertTrue(loop.scheduler.plan().isEmpty(), "the only token is drawn, but the host has not read it yet");
    }
}
