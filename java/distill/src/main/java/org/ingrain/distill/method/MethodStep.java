package org.ingrain.distill.method;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.ingrain.tensor.InputException;

/**
 * One step of a method.
 *
 * @param name     name of the step; in later prompts, {@code {name}} is replaced by the text of this step
 * @param variants the prompts of the step: at most one for each task, and at most one for all other tasks
 * @param each     for the last step of a branching method: the placeholder that is replaced by a part of the previous
 *                 text. The same placeholder with the suffix {@code -name} is replaced by the part's name. Null for all
 *                 other steps
 */
public record MethodStep(String name, List<Variant> variants, String each) {
    public MethodStep {
        if (name == null || !name.matches("[a-z][a-z0-9-]*") || name.equals("question") || name.equals("previous")) {
            throw new InputException("steps.name: " + name
                    + ", expected small letters, digits and hyphens, not question or previous");
        }
        if (variants == null || variants.isEmpty()) {
            throw new InputException("step " + name + ": variants: none, expected at least one");
        }
        variants = List.copyOf(variants);
        if (each != null && (!each.matches("[a-z][a-z0-9-]*")
                || variants.stream().anyMatch(variant -> variant.samples() != 1))) {
            throw new InputException("step " + name + ": each " + each
                    + ", expected small letters, digits and hyphens, and samples 1 in every variant of the step");
        }
        Set<String> tasks = new HashSet<>();
        for (Variant variant : variants) {
            if (!tasks.add(variant.task())) {
                throw new InputException("step " + name + ": two variants for "
                        + (variant.task() == null ? "all other tasks" : "task " + variant.task()));
            }
        }
    }

    /** The variant for a task. Throws an InputException if the step has no variant for this task. */
    Variant variant(String task) {
        return variants.stream().filter(variant -> task.equals(variant.task())).findFirst()
                .or(() -> variants.stream().filter(variant -> variant.task() == null).findFirst())
                .orElseThrow(() -> new InputException("step " + name + " has no prompt for task " + task));
    }
}
