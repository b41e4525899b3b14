package org.ingrain.sample.step;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ffi.Inspect;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Inspect;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Step;
import org.ingrain.sample.step.StepPlan.Bias;
import org.ingrain.sample.step.StepPlan.Draw;
import org.ingrain.sample.step.StepPlan.Score;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DrawsTest {
    private static final int VOCABULARY = 7;
    private static final int ROWS = 5;
    private static final List<StepPlan.Part> PARTS = List.of(new StepPlan.Part(new int[1], 0, -1,
            new Step.Placement(new int[1], 0, 0, -1)));

    private final Backend backend = Backend.open(NativeLibraries.find("cpu"));
    private final Context context = backend.context(new ContextOptions(0, 1, "auto"));
    private final StepBuffers buffers = new StepBuffers(context, new Step.Limits(8, 6, ROWS, 1, 16, 1), VOCABULARY, 1);
    private final Draws draws = buffers.draws;
    private final float[] values = new float[ROWS * VOCABULARY];
    private final Tensor logits = context.allocate(DType.F32, ROWS, VOCABULARY);

    DrawsTest() {
        for (int i = 0; i < values.length; i++) {
            values[i] = i * 31 % 17 * 0.3f;
        }
        context.write(logits, values);
    }

    @AfterEach
    void close() {
        context.close();
        backend.close();
    }

    /** The values that the device writes for a plan: ids, log-probabilities and losses. */
    private int[] run(StepPlan plan, int padded) {
        buffers.staging.begin();
        draws.begin(plan, padded);
        context.copyToDevice(buffers.staging.memory(), buffers.staging.image());
        draws.compute(logits);
        return Inspect.ints(context, draws.results());
    }

    private static StepPlan plan(List<StepPlan.Part> parts, List<Score> scores, Draw... draws) {
        return new StepPlan(parts, new int[0], List.of(draws), scores, new int[0], false);
    }

    /** A plan that draws greedily from these rows, requests their most probable tokens and has logit biases. */
    private static StepPlan biased(List<StepPlan.Part> parts, int topTokens, List<Bias> biases, int... rows) {
        return new StepPlan(parts, new int[0], Arrays.stream(rows).mapToObj(DrawsTest::greedy).toList(), List.of(),
                new int[0], false, topTokens, biases);
    }

    private static Draw greedy(int row) {
        return new Draw(row, 0, 0, 0, 0, 1, 0);
    }

    private int best(int row) {
        return IntStream.range(0, VOCABULARY).reduce((a, b) ->
                values[row * VOCABULARY + b] > values[row * VOCABULARY + a] ? b : a).orElseThrow();
    }

    private float logProbability(int row, int id) {
        double sum = IntStream.range(row * VOCABULARY, (row + 1) * VOCABULARY).mapToDouble(i -> Math.exp(values[i]))
                .sum();
        return (float) (values[row * VOCABULARY + id] - Math.log(sum));
    }

    @Test
    void drawsFromRowsInOrderOrFromAnyRow() {
        for (int[] rows : new int[][] {{0, 1, 2}, {3, 0, 3, 4, 1}}) {
            int[] results = run(plan(PARTS, List.of(), Arrays.stream(rows).mapToObj(DrawsTest::greedy)
                    .toArray(Draw[]::new)), rows.length);
            assertEquals(2 * rows.length, results.length);
            for (int i = 0; i < rows.length; i++) {
                assertEquals(best(rows[i]), results[i]);
                assertEquals(logProbability(rows[i], results[i]), Float.intBitsToFloat(results[rows.length + i]),
                        1e-5f);
            }
        }
    }

    @Test
    void aBatchIsFilledUpWithDrawsFromTheRowsThatFollow() {
        int[] results = run(plan(PARTS, List.of(), greedy(0), greedy(1)), 4);
        assertEquals(4, draws.count());
        assertArrayEquals(IntStream.range(0, 4).map(this::best).toArray(), Arrays.copyOf(results, 4));
    }

    @Test
    void scoresLieBehindTheDraws() {
        int[] results = run(plan(PARTS, List.of(new Score(0, new int[] {2, 6}), new Score(3, new int[] {5})),
                greedy(4)), 1);
        float[] losses = new float[3];
        for (int i = 0; i < 3; i++) {
            losses[i] = Float.intBitsToFloat(results[2 + i]);
        }
        assertArrayEquals(new float[] {-logProbability(0, 2), -logProbability(1, 6), -logProbability(3, 5)}, losses,
                1e-5f);
    }

    @Test
    void drawingAgainLeavesTheIdsThatTheNextStepReads() {
        run(plan(PARTS, List.of(), greedy(0), greedy(1)), 2);
        assertNotEquals(best(0), best(4));
        assertEquals(best(4), run(plan(List.of(), List.of(), greedy(4)), 1)[0]);
        assertArrayEquals(new int[] {best(0), best(1)}, Arrays.copyOf(Inspect.ints(context, draws.drawn()), 2));
    }

    /** Draws 1 and 3 have biases. Rows 0 and 4 each have one draw with a bias and one draw without. */
    @Test
    void aBiasChangesTheDrawAndNoLogProbability() {
        int[] rows = {0, 4, 4, 0, 2};
        int second = IntStream.range(0, VOCABULARY).boxed().sorted((a, b) ->
                Float.compare(values[4 * VOCABULARY + b], values[4 * VOCABULARY + a])).toList().get(1);
        int raised = (best(0) + 3) % VOCABULARY;
        List<Bias> biases = List.of(new Bias(1, new int[] {best(4)}, new float[] {Float.NEGATIVE_INFINITY}),
                new Bias(3, new int[] {best(0), raised}, new float[] {-1, 40}));
        int[] results = run(biased(PARTS, 2, biases, rows), 5);
        StepResults read = new StepResults(MemorySegment.ofArray(results), null, null);
        read.use(5, 0, 2, new int[] {1, 3});
        int[] expected = {best(0), second, best(4), raised, best(2)};
        for (int i = 0; i < 5; i++) {
            assertEquals(expected[i], read.id(i));
            assertEquals(logProbability(rows[i], expected[i]), read.logProbability(i), 1e-5f);
            assertEquals(best(rows[i]), read.topId(i, 0), "the most probable tokens are those without the bias");
            assertEquals(logProbability(rows[i], best(rows[i])), read.topLogProbability(i, 0), 1e-5f);
        }
        assertEquals(results.length, 5 + 5 + 2 * 5 * 2 + 2);
    }

    @Test
    void aBiasChangesNoLogitsFromWhichTheNextPlanDraws() {
        List<Bias> ban = List.of(new Bias(0, new int[] {best(0)}, new float[] {Float.NEGATIVE_INFINITY}));
        assertNotEquals(best(0), run(biased(PARTS, 0, ban, 0, 1), 2)[0]);
        assertNotEquals(best(0), run(biased(List.of(), 0, ban, 0), 1)[0]);
        assertEquals(best(0), run(biased(List.of(), 0, List.of(), 0), 1)[0]);
    }

    /** One biased row has a NaN. The bias of the other biased row bans every token. */
    @Test
    void aBiasedRowWithoutADistributionHasNoToken() {
        int[] every = IntStream.range(0, VOCABULARY).toArray();
        float[] bans = new float[VOCABULARY];
        Arrays.fill(bans, Float.NEGATIVE_INFINITY);
        List<Bias> biases = List.of(new Bias(0, new int[] {2}, new float[] {5}), new Bias(2, every, bans));
        values[3] = Float.NaN;
        context.write(logits, values);
        int[] results = run(biased(PARTS, 0, biases, 0, 1, 2), 3);
        assertArrayEquals(new int[] {-1, best(1), -1}, Arrays.copyOf(results, 3));
        assertEquals(logProbability(1, best(1)), Float.intBitsToFloat(results[3 + 1]), 1e-5f);
    }

    @Test
    void aDrawIsKeyedBySeedSequenceAndPosition() {
        Draw draw = new Draw(2, 3, 9, 2, 0, 1, 5);
        int[] together = run(plan(PARTS, List.of(), greedy(0), draw, draw, greedy(1)), 4);
        int[] alone = run(plan(PARTS, List.of(), draw), 1);
        assertEquals(alone[0], together[1]);
        assertEquals(alone[0], together[2]);
        long kinds = IntStream.range(0, 40).map(p -> run(plan(PARTS, List.of(), new Draw(2, 3, p, 2, 0, 1, 5)), 1)[0])
                .distinct().count();
        assertNotEquals(1, kinds);
    }
}
