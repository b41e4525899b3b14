package org.ingrain.sample.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StepRingTest {
    private final Backend backend = Backend.open(NativeLibraries.find("cpu"));
    private final Context context = backend.context(new ContextOptions(0, 1, "auto"));
    private final StepRing ring = new StepRing(context, 3, 64);

    @AfterEach
    void close() {
        ring.close();
        context.close();
        backend.close();
    }

    private StepResults run() {
        StepResults step = ring.begin();
        ring.end(step);
        return step;
    }

    @Test
    void stepsAreReadInTheOrderTheyWereEnqueued() {
        StepResults first = run();
        StepResults second = run();
        assertEquals(2, ring.size());
        assertSame(first, ring.await());
        StepResults third = run();
        assertSame(second, ring.await());
        StepResults fourth = run();
        assertSame(first, fourth, "three slots");
        assertSame(third, ring.await());
        assertSame(fourth, ring.await());
        assertEquals(0, ring.size());
    }

    @Test
    void aSlotThatMayStillBeReadIsNotGivenAway() {
        run();
        run();
        assertEquals("2 steps in flight, no slot of 3 free",
                assertThrows(IllegalStateException.class, ring::begin).getMessage());
        StepResults read = ring.await();
        run();
        assertThrows(IllegalStateException.class, ring::begin);
        assertTrue(ring.await() != read);
    }

    @Test
    void hostWaitIsTheTimeBetweenStepsWhileThereIsWork() {
        run();
        ring.await();
        assertEquals(0, ring.hostWaitMillis(), "nothing before the first");
        run();
        ring.await();
        double wait = ring.hostWaitMillis();
        assertTrue(wait > 0);
        ring.idle();
        run();
        ring.await();
        assertEquals(wait, ring.hostWaitMillis());
        assertTrue(ring.stepMillis() > 0);
    }

    @Test
    void resultsAreIdsThenLogProbabilitiesThenScoresThenTopTokensThenLossesOfBiasedDraws() {
        StepResults step = run();
        step.use(2, 2, 1, new int[] {1});
        for (int i = 0; i < 2; i++) {
            step.memory.setAtIndex(ValueLayout.JAVA_INT, i, 40 + i);
            step.memory.setAtIndex(ValueLayout.JAVA_FLOAT, 2 + i, -i - 1f);
            step.memory.setAtIndex(ValueLayout.JAVA_FLOAT, 4 + i, i + 3f);
        }
        for (int row = 0; row < 4; row++) {
            step.memory.setAtIndex(ValueLayout.JAVA_INT, 6 + row, 50 + row);
            step.memory.setAtIndex(ValueLayout.JAVA_FLOAT, 10 + row, -row - 0.5f);
        }
        assertEquals(41, step.id(1));
        assertEquals(-1f, step.logProbability(0));
        step.memory.setAtIndex(ValueLayout.JAVA_FLOAT, 14, 2.5f);
        assertEquals(-2.5f, step.logProbability(1), "draw 1 has a bias");
        assertEquals(-4f, step.score(1), "the device has the loss, and the score is its negative");
        assertEquals(53, step.topId(3, 0));
        assertEquals(-3.5f, step.topLogProbability(3, 0));
    }
}
