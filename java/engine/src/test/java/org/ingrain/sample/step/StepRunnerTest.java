package org.ingrain.sample.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Step;
import org.ingrain.sample.TinyModel;
import org.ingrain.sample.step.StepPlan.Draw;
import org.ingrain.sample.step.StepPlan.Part;
import org.ingrain.sample.step.StepPlan.Score;
import org.ingrain.tensor.DType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Runs handwritten plans with a small model on the CPU. */
class StepRunnerTest {
    private static final Step.Limits LIMITS = new Step.Limits(48, 4, 24, 4, 16, 1);
    private static final int[] NONE = {};
    private static final int[] PROMPT = TinyModel.prompt(20, 3);

    private final TinyModel model = new TinyModel(DType.F32, 1);
    private final StepRunner runner = new StepRunner(new Decoder(model.context, model.weights, LIMITS),
            new KvCache(model.context, model.weights, 9, 16), null,
            new StepBuffers(model.context, LIMITS, TinyModel.VOCABULARY, 3));

    @AfterEach
    void close() {
        runner.close();
        model.close();
    }

    private static Part known(int[] ids, int from, int... blocks) {
        return new Part(ids, from, -1, new Step.Placement(blocks, blocks[0], 0, -1));
    }

    private static Part drawn(int row, int position, int... blocks) {
        return new Part(new int[1], position, row, new Step.Placement(blocks, blocks[0], 0, -1));
    }

    private static Draw draw(int row, int position) {
        return new Draw(row, 0, position, 0.9f, 0, 1, 7);
    }

    private static StepPlan plan(List<Part> parts, int[] logitRows, Draw... draws) {
        return new StepPlan(parts, logitRows, List.of(draws), List.of(), NONE, false);
    }

    private static int[] with(int[] ids, int id) {
        int[] longer = Arrays.copyOf(ids, ids.length + 1);
        longer[ids.length] = id;
        return longer;
    }

    @Test
    void aTokenThatWasDrawnIsComputedBeforeTheHostReadsIt() {
        runner.enqueue(plan(List.of(known(PROMPT, 0, 3, 1)), new int[] {19}, draw(0, 20)));
        runner.enqueue(plan(List.of(drawn(0, 20, 3, 1)), new int[] {0}, draw(0, 21)));
        int first = runner.await().id(0);
        StepResults results = runner.await();
        int second = results.id(0);
        float logProbability = results.logProbability(0);
        runner.enqueue(plan(List.of(known(with(PROMPT, first), 0, 5, 2)), new int[] {20}, draw(0, 21)));
        StepResults again = runner.await();
        assertEquals(second, again.id(0));
        assertEquals(logProbability, again.logProbability(0));
        assertEquals(3, runner.stats().steps());
        assertEquals(3, runner.stats().eagerSteps(), "the CPU has no graphs");
    }

    @Test
    void drawingAgainIsNoStepAndChangesNothingOfTheNext() {
        runner.enqueue(new StepPlan(List.of(known(PROMPT, 0, 3, 1)), new int[] {19}, List.of(draw(0, 20)), List.of(),
                NONE, true));
        runner.enqueue(plan(List.of(), NONE, new Draw(0, 1, 20, 5, 0, 1, 7), draw(0, 20)));
        runner.enqueue(plan(List.of(drawn(0, 20, 3, 1)), new int[] {0}, draw(0, 21)));
        int first = runner.await().id(0);
        assertEquals(first, runner.await().id(1));
        int second = runner.await().id(0);
        runner.enqueue(plan(List.of(known(with(PROMPT, first), 0, 5, 2)), new int[] {20}, draw(0, 21)));
        assertEquals(second, runner.await().id(0));
        assertEquals(3, runner.stats().steps());
    }

    @Test
    void aCopiedBlockContinuesLikeItsSource() {
        runner.enqueue(new StepPlan(List.of(known(PROMPT, 0, 3, 1)), new int[] {19}, List.of(draw(0, 20)), List.of(),
                new int[] {1, 6}, false));
        runner.await();
        int[] next = {11};
        runner.enqueue(plan(List.of(known(next, 20, 3, 1), known(next, 20, 3, 6)), new int[] {0, 1}, draw(0, 21),
                draw(1, 21)));
        StepResults results = runner.await();
        assertEquals(results.id(0), results.id(1));
        assertEquals(results.logProbability(0), results.logProbability(1));
    }

    @Test
    void scoresAreLogProbabilitiesOfTheTokensThatFollow() {
        runner.enqueue(plan(List.of(known(PROMPT, 0, 3, 1)), new int[] {19}, draw(0, 20)));
        StepResults results = runner.await();
        int id = results.id(0);
        float logProbability = results.logProbability(0);
        int[] rows = IntStream.range(0, 20).toArray();
        int[] targets = Arrays.copyOfRange(with(PROMPT, id), 1, 21);
        runner.enqueue(new StepPlan(List.of(known(PROMPT, 0, 5, 2)), rows, List.of(), List.of(new Score(0, targets)),
                NONE, false));
        StepResults scores = runner.await();
        assertEquals(logProbability, scores.score(19), 1e-5f);
        assertTrue(IntStream.range(0, 20).allMatch(i -> scores.score(i) < 0));
    }

    @Test
    void theLargestStepFitsAndNoLargerOne() {
        List<Part> parts = Stream.of(0, 2, 4, 6).map(block -> known(new int[12], 0, block, block + 1, 8, 8)).toList();
        int[] rows = IntStream.range(0, 24).toArray();
        Draw[] draws = Collections.nCopies(4, draw(0, 12)).toArray(Draw[]::new);
        List<Score> scores = List.of(new Score(0, new int[24]));
        int[] copies = {0, 1, 2, 3, 4, 5, 6, 7};
        int[] ids = IntStream.range(0, TinyModel.VOCABULARY).toArray();
        List<StepPlan.Bias> biases = IntStream.range(0, 4)
                .mapToObj(i -> new StepPlan.Bias(i, ids, new float[ids.length])).toList();
        runner.enqueue(new StepPlan(parts, rows, List.of(draws), scores, copies, false, StepPlan.MAX_TOP_TOKENS,
                biases));
        runner.await();
        StepPlan larger = new StepPlan(parts, rows, List.of(draws), scores, new int[100_000], false);
        assertThrows(IndexOutOfBoundsException.class, () -> runner.enqueue(larger));
    }

    @Test
    void aRunnerIsClosedWithStepsInFlight() {
        runner.enqueue(plan(List.of(known(PROMPT, 0, 3, 1)), new int[] {19}, draw(0, 20)));
        runner.close();
        runner.close();
    }
}
