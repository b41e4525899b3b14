package org.ingrain.cli;

import java.util.List;
import org.ingrain.engine.Engine;
import org.ingrain.engine.MemoryPlan;

/**
 * Describes the placement of a model: for each device its memory plan, and the model copy and the rank that it
 * computes.
 */
final class PlacementText {
    private PlacementText() {
    }

    /**
     * The placement as lines, each of which ends with a line feed. Lines about ranks are included only if there are
     * several ranks or copies.
     */
    static String of(Engine engine, List<MemoryPlan> plans) {
        StringBuilder text = new StringBuilder();
        for (MemoryPlan plan : plans) {
            text.append("memory").append(plans.size() == 1 ? "" : " of " + plan.device()).append(": ")
                    .append(plan.line()).append('\n');
        }
        if (engine.placement().devices() > 1) {
            text.append("devices: ").append(engine.placement().line(engine.options().device())).append('\n');
        }
        engine.topology().forEach(line -> text.append("  ").append(line).append('\n'));
        return text.toString();
    }

    /** Throws an InputException that names the first device whose plan does not fit. */
    static void requireRoom(Engine engine, List<MemoryPlan> plans) {
        plans.forEach(plan -> plan.require(engine.options().model()
                + (plans.size() == 1 ? "" : " on " + plan.device())));
    }
}
