package org.ingrain.sample.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.model.Step;
import org.ingrain.sample.step.StepPlan.Draw;
import org.ingrain.sample.step.StepPlan.Part;
import org.ingrain.sample.step.StepPlan.Score;
import org.junit.jupiter.api.Test;

class StepPlanTest {
    private static final int[] NONE = {};
    private static final List<Part> ONE = List.of(part(1, -1));

    private static Part part(int tokens, int adapterSlot) {
        return new Part(new int[tokens], 0, -1, new Step.Placement(new int[] {0}, 0, 0, adapterSlot));
    }

    private static StepPlan plan(List<Part> parts, int logitRows, int draws) {
        return new StepPlan(parts, new int[logitRows],
                List.copyOf(new ArrayList<>(List.of(Draw.GREEDY, Draw.GREEDY)).subList(0, draws)), List.of(), NONE,
                false);
    }

    @Test
    void aPlanDecodesOnlyWhereEachRowDrawsOnceAndNothingElseIsDone() {
        assertTrue(plan(ONE, 1, 1).decodesOnly());
        assertTrue(plan(List.of(part(1, 0), part(1, -1)), 2, 2).decodesOnly());
        assertFalse(plan(List.of(), 0, 0).decodesOnly());
        assertFalse(plan(List.of(part(2, -1)), 1, 1).decodesOnly(), "a prompt");
        assertFalse(plan(ONE, 1, 2).decodesOnly(), "two samples draw from one row");
        assertFalse(plan(ONE, 0, 0).decodesOnly(), "nothing drawn");
        assertFalse(new StepPlan(ONE, new int[1], List.of(Draw.GREEDY), List.of(), new int[] {0, 1}, false)
                .decodesOnly(), "copies");
        assertFalse(new StepPlan(ONE, new int[1], List.of(Draw.GREEDY), List.of(new Score(0, new int[1])), NONE, false)
                .decodesOnly(), "scores");
        assertFalse(new StepPlan(ONE, new int[1], List.of(Draw.GREEDY), List.of(), NONE, false, 0,
                List.of(new StepPlan.Bias(0, NONE, new float[0]))).decodesOnly(), "biases");
        assertFalse(new StepPlan(ONE, new int[1], List.of(Draw.GREEDY), List.of(), NONE, true).decodesOnly(),
                "a later step draws from the same logits");
    }

    @Test
    void countsTokensScoresAndAdapters() {
        StepPlan plan = new StepPlan(List.of(part(5, -1), part(2, -1)), NONE, List.of(),
                List.of(new Score(0, new int[3]), new Score(3, new int[1])), NONE, false);
        assertEquals(7, plan.tokens());
        assertEquals(4, plan.scoredTokens());
        assertFalse(plan.adapters());
        assertTrue(plan(List.of(part(1, -1), part(1, 0)), 0, 0).adapters());
    }

    @Test
    void aPlanIsNotChangedByWhoMadeIt() {
        List<Draw> draws = new ArrayList<>(List.of(Draw.GREEDY));
        StepPlan plan = new StepPlan(ONE, new int[1], draws, List.of(), NONE, false);
        draws.clear();
        assertEquals(1, plan.draws().size());
        assertThrows(UnsupportedOperationException.class, () -> plan.draws().clear());
    }
}
