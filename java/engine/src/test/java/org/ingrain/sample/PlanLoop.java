package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.ingrain.sample.step.StepPlan;

/** A scheduler, and the loop in which a generator runs it. */
final class PlanLoop {
    final GeneratorConfig config;
    final BlockPool pool;
    final Scheduler scheduler;
    private final Function<StepPlan, int[]> device;
    final List<StepPlan> plans = new ArrayList<>();
    final Map<Sequence, int[]> finished = new HashMap<>();
    private final int lag;
    private final Deque<PlannedStep> inFlight = new ArrayDeque<>();
    private final Deque<int[]> drawn = new ArrayDeque<>();

    /** @param device runs a plan and returns the drawn ids */
    PlanLoop(GeneratorConfig config, int lag, Function<StepPlan, int[]> device) {
        this.config = config;
        this.lag = lag;
        pool = new BlockPool(config.blocks(), config.blockSize(), config.prefixCache());
        scheduler = new Scheduler(config, pool);
        this.device = device;
    }

    void submit(Request request) {
        scheduler.enqueue(new Ticket(request, completion -> { },
                TokenBias.of(request.params(), Set.of(), PlanInterpreter.VOCABULARY), () -> null));
    }

    boolean step() {
        List<PlannedStep> steps = scheduler.plan();
        for (PlannedStep step : steps) {
            check(step);
            plans.add(step.plan());
            inFlight.add(step);
            drawn.add(device.apply(step.plan()));
            read(lag);
        }
        if (steps.isEmpty()) {
            assertTrue(scheduler.idle() || !inFlight.isEmpty(), "nothing can be scheduled");
            read(Math.max(0, inFlight.size() - 1));
        }
        if (scheduler.idle()) {
            read(0);
        }
        return !scheduler.idle();
    }

    private void check(PlannedStep step) {
        assertEquals(step.plan().draws().size(), step.drawn().size());
        assertTrue(step.plan().draws().size() <= config.maxSequences());
        assertTrue(step.plan().parts().size() <= config.maxSequences());
        assertTrue(step.plan().parts().stream().mapToInt(part -> part.ids().length).sum() <= config.maxBatchTokens());
        assertTrue(step.plan().scores().stream().mapToInt(score -> score.targets().length).sum()
                <= GeneratorConfig.MAX_SCORES);
        for (int i = 0; i < step.scored().size(); i++) {
            PlannedStep.Scored scored = step.scored().get(i);
            assertArrayEquals(Arrays.copyOfRange(scored.ticket().request.prompt(), scored.from(),
                    scored.from() + scored.count()), step.plan().scores().get(i).targets());
        }
    }

    private void read(int left) {
        while (inFlight.size() > left) {
            PlannedStep step = inFlight.removeFirst();
            int[] ids = drawn.removeFirst();
            for (int i = 0; i < ids.length; i++) {
                Sequence sequence = step.drawn().get(i);
                if (!sequence.finished()) {
                    sequence.append(ids[i], 0);
                    if (sequence.unread() == 0 && sequence.full(config.contextLength())) {
                        end(sequence);
                    }
                }
            }
        }
    }

    void end(Sequence sequence) {
        sequence.finish();
        scheduler.remove(sequence);
        finished.put(sequence, sequence.generatedIds());
    }

    void run() {
        while (step()) {
            continue;
        }
        assertEquals(pool.blocks(), pool.available());
    }

    int computed(Predicate<StepPlan.Part> which) {
        return plans.stream().flatMap(plan -> plan.parts().stream()).filter(which).mapToInt(part -> part.ids().length)
                .sum();
    }
}
